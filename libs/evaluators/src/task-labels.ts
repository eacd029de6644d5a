import { type ImageRecord, type LabelSpace, MedformerError, type TaskKind } from '@medformer/schema';
import { type Matrix, matrixOf } from './matrix.js';

/** What the images of a task truly are: one class index per image, or `[images, labels]` of 0 and 1. */
export type TaskLabels =
  | { kind: Exclude<TaskKind, 'multi-label'>; classes: ArrayLike<number> }
  | { kind: 'multi-label'; flags: Matrix };

/**
 * The labels that the records of images carry for a task.
 * @throws MedformerError DATA_LOSS for a label that the label space does not have.
 */
export function taskLabelsOf(
  records: readonly Pick<ImageRecord, 'id' | 'labels'>[],
  { task, kind, classes }: LabelSpace,
): TaskLabels {
  const refuse = ({ id, labels }: Pick<ImageRecord, 'id' | 'labels'>, expected: string) =>
    new MedformerError(
      'DATA_LOSS',
      `image ${id}: label ${task}: expected ${expected}, found ${JSON.stringify(labels[task])}`,
    );
  if (kind !== 'multi-label') {
    return {
      kind,
      classes: Int32Array.from(records, (record) => {
        const label = record.labels[task];
        if (typeof label === 'number' && label < classes.length) return label;
        throw refuse(record, `an integer below ${classes.length}`);
      }),
    };
  }
  const flags = records.map((record) => {
    const label = record.labels[task];
    if (Array.isArray(label) && label.length === classes.length) return label;
    throw refuse(record, `${classes.length} labels of 0 or 1`);
  });
  return { kind, flags: { ...matrixOf(flags), columns: classes.length } };
}

/** How many images the labels are of. */
export function labelled(labels: TaskLabels): number {
  return labels.kind === 'multi-label' ? labels.flags.rows : labels.classes.length;
}

/** The columns that ranking metrics average over: all, of a binary task the last (medmnist/evaluator.py). */
export function scoredColumns(scores: Matrix, { kind }: TaskLabels): number[] {
  if (kind === 'binary') return [scores.columns - 1];
  return Array.from({ length: scores.columns }, (_, column) => column);
}

/** Whether an image is positive in a score column. */
export function isPositive(labels: TaskLabels, column: number): (image: number) => boolean {
  if (labels.kind === 'multi-label') {
    const { data, columns } = labels.flags;
    return (image) => data[image * columns + column] === 1;
  }
  if (labels.kind === 'binary') return (image) => labels.classes[image] === 1;
  return (image) => labels.classes[image] === column;
}

/** The labels of some images, in the given order. */
export function takeLabels(labels: TaskLabels, images: ArrayLike<number>): TaskLabels {
  if (labels.kind !== 'multi-label') {
    return { kind: labels.kind, classes: Int32Array.from(images, (image) => labels.classes[image]!) };
  }
  const { columns, data } = labels.flags;
  const taken = new Float64Array(images.length * columns);
  for (let row = 0; row < images.length; row += 1) {
    const from = images[row]! * columns;
    taken.set(data.subarray(from, from + columns), row * columns);
  }
  return { kind: 'multi-label', flags: { rows: images.length, columns, data: taken } };
}

/** @throws MedformerError INVALID_ARGUMENT when scores and labels do not belong together, or for a score of NaN. */
export function expectScored(scores: Matrix, labels: TaskLabels): void {
  const refuse = (field: string, expected: string, found: string) =>
    new MedformerError('INVALID_ARGUMENT', `scores: ${field}: expected ${expected}, found ${found}`);
  const images = labelled(labels);
  if (images === 0) throw refuse('rows', 'at least one labelled image', 'none');
  if (scores.rows !== images) throw refuse('rows', `${images}, one per label`, `${scores.rows}`);
  const { data, columns } = scores;
  for (let at = 0; at < data.length; at += 1) {
    if (Number.isNaN(data[at])) throw refuse(`image ${Math.floor(at / columns)}`, 'a number', 'NaN');
  }
  if (labels.kind === 'multi-label') {
    const { flags } = labels;
    if (flags.columns !== columns) throw refuse('columns', `${flags.columns}, one per label`, `${columns}`);
    const wrong = flags.data.findIndex((flag: number) => flag !== 0 && flag !== 1);
    if (wrong < 0) return;
    throw refuse(`label of image ${Math.floor(wrong / columns)}`, '0 or 1', `${flags.data[wrong]}`);
  }
  const classes = Math.max(columns, 2);
  for (let image = 0; image < images; image += 1) {
    const label = labels.classes[image] as number;
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw refuse(`label of image ${image}`, `an integer below ${classes}`, `${label}`);
    }
  }
}
