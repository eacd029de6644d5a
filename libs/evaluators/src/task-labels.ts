import { MedformerError, type TaskKind } from '@medformer/schema';
import type { Matrix } from './matrix.js';

/** What the images of a task truly are: one class index per image, or `[images, labels]` of 0 and 1. */
export type TaskLabels =
  | { kind: Exclude<TaskKind, 'multi-label'>; classes: ArrayLike<number> }
  | { kind: 'multi-label'; flags: Matrix };

/** @throws MedformerError INVALID_ARGUMENT when scores and labels do not belong together. */
export function expectScored(scores: Matrix, labels: TaskLabels): void {
  const refuse = (field: string, expected: string, found: string) =>
    new MedformerError('INVALID_ARGUMENT', `scores: ${field}: expected ${expected}, found ${found}`);
  const images = labels.kind === 'multi-label' ? labels.flags.rows : labels.classes.length;
  if (images === 0) throw refuse('rows', 'at least one labelled image', 'none');
  if (scores.rows !== images) throw refuse('rows', `${images}, one per label`, `${scores.rows}`);
  if (labels.kind === 'multi-label') {
    if (labels.flags.columns === scores.columns) return;
    throw refuse('columns', `${labels.flags.columns}, one per label`, `${scores.columns}`);
  }
  for (let image = 0; image < images; image += 1) {
    const label = labels.classes[image] as number;
    if (!Number.isInteger(label) || label < 0 || label >= Math.max(scores.columns, 2)) {
      throw refuse(`label of image ${image}`, `an integer below ${Math.max(scores.columns, 2)}`, `${label}`);
    }
  }
}
