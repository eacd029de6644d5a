import type { EvaluationSpec, LabelSpace } from '@medformer/schema';
import { drawTaskLabelled, labelledDraw } from './draw-labelled.js';
import { labelled, type TaskLabels } from './task-labels.js';

/** One scoring of an entry: a checkpoint, and the training images whose labels it may use. */
export interface Repetition {
  seed: number;
  checkpoint: string;
  /** Positions in the training split, ascending; empty for a checkpoint's own head. */
  labelled: readonly number[];
}

/**
 * What each entry repeats: once per seed where the seed changes anything, that is where it draws labels or chooses
 * a checkpoint; else once, because a spread over equal numbers would claim a certainty that was not measured.
 *
 * Labels are drawn by the key that supervised training uses, so that equal seeds mean equal images.
 * @param labels of the training split
 */
export function repetitionsOf(
  { entries, seeds, task, labelsPerClass }: EvaluationSpec,
  { classes }: LabelSpace,
  labels: TaskLabels,
): Repetition[][] {
  const everyLabel = Array.from({ length: labelled(labels) }, (_, image) => image);
  const draws = new Map(
    seeds.map((seed) => [
      seed,
      labelsPerClass === undefined
        ? everyLabel
        : drawTaskLabelled(labels, classes, labelsPerClass, labelledDraw(task, seed)),
    ]),
  );
  return entries.map(({ protocol, checkpoints }) => {
    const drawsLabels = labelsPerClass !== undefined && protocol !== 'head';
    const repeated = drawsLabels || checkpoints.length > 1 ? seeds : seeds.slice(0, 1);
    return repeated.map((seed, index) => ({
      seed,
      checkpoint: checkpoints[index] ?? checkpoints[0]!,
      labelled: protocol === 'head' ? [] : draws.get(seed)!,
    }));
  });
}
