import { type DatasetManifest, type LabelSpace, MedformerError, type Split } from '@medformer/schema';
import type { DatasetImage } from './dataset-image.js';

const SPLITS: Split[] = ['train', 'val', 'test'];

/**
 * Counts what a dataset holds while it is written, and refuses images that contradict it: a label outside its
 * task's classes, an id twice, a subject in two splits.
 */
export class CensusTaker {
  private readonly ids = new Set<string>();
  private readonly subjects = new Map<string, Split>();
  private readonly images = new Map<Split, number>();
  private readonly modalities = new Map<string, number>();
  private readonly bodyParts = new Map<string, number>();
  private readonly shapes = new Map<string, DatasetManifest['census']['shapes'][number]>();
  private readonly labels = new Map<string, Map<Split, number[]>>();
  private readonly spaces: Map<string, LabelSpace>;

  constructor(labelSpaces: LabelSpace[]) {
    this.spaces = new Map(labelSpaces.map((space) => [space.task, space]));
  }

  /** @throws MedformerError INVALID_ARGUMENT naming the image by its id. */
  add(image: DatasetImage): void {
    this.refuseContradictions(image);
    this.ids.add(image.id);
    this.subjects.set(image.subject, image.split);
    increment(this.images, image.split);
    increment(this.modalities, image.modality);
    increment(this.bodyParts, image.bodyPart);
    const key = `${image.pixelType} ${image.shape.join()}`;
    const shape = this.shapes.get(key);
    if (shape) shape.images += 1;
    else this.shapes.set(key, { shape: [...image.shape], pixelType: image.pixelType, images: 1 });
    for (const [task, label] of Object.entries(image.labels)) this.countLabel(image, task, label);
  }

  census(): DatasetManifest['census'] {
    const subjects = new Map<Split, number>();
    for (const split of this.subjects.values()) increment(subjects, split);
    return {
      images: bySplit(this.images),
      subjects: bySplit(subjects),
      modalities: Object.fromEntries(this.modalities),
      bodyParts: Object.fromEntries(this.bodyParts),
      shapes: [...this.shapes.values()],
      labels: Object.fromEntries([...this.labels].map(([task, counts]) => [task, bySplit(counts)])),
    };
  }

  private refuseContradictions({ id, subject, split }: DatasetImage): void {
    const contradiction = (field: string, expected: string, found: string) =>
      new MedformerError('INVALID_ARGUMENT', `image ${id}: ${field}: expected ${expected}, found ${found}`);
    if (this.ids.has(id)) throw contradiction('id', 'one image of this id', 'a second one');
    const other = this.subjects.get(subject);
    if (other && other !== split)
      throw contradiction('split', `${other}, as the subject's other images`, split);
  }

  private countLabel(image: DatasetImage, task: string, label: number | number[]): void {
    const refuse = (expected: string, found: string) =>
      new MedformerError(
        'INVALID_ARGUMENT',
        `image ${image.id}: labels.${task}: expected ${expected}, found ${found}`,
      );
    const space = this.spaces.get(task);
    if (!space) throw refuse('a task of the label spaces', 'an unknown task');
    const classes = space.classes.length;
    const counts = this.labels.get(task) ?? new Map<Split, number[]>();
    const perClass = counts.get(image.split) ?? new Array<number>(classes).fill(0);
    this.labels.set(task, counts.set(image.split, perClass));
    if (space.kind === 'multi-label') {
      if (!Array.isArray(label) || label.length !== classes)
        throw refuse(`${classes} labels`, Array.isArray(label) ? `${label.length} labels` : 'one class');
      for (const [index, positive] of label.entries()) perClass[index]! += positive;
      return;
    }
    if (Array.isArray(label)) throw refuse('one class', `${label.length} labels`);
    if (label >= classes) throw refuse(`a class from 0 to ${classes - 1}`, String(label));
    perClass[label]! += 1;
  }
}

function increment<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function bySplit<Value>(values: Map<Split, Value>): Partial<Record<Split, Value>> {
  return Object.fromEntries(
    SPLITS.flatMap((split) => (values.has(split) ? [[split, values.get(split) as Value]] : [])),
  );
}
