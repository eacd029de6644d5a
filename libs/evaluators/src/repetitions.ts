import {
  drawsLabels,
  type EvaluationSpec,
  type LabelSpace,
  labelDrawOf,
  MedformerError,
} from '@medformer/schema';
import { drawTaskLabelled, labelledDraw } from './draw-labelled.js';
import { labelled, type TaskLabels, takeLabels } from './task-labels.js';

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
 * @param modalities of its images
 * @throws MedformerError FAILED_PRECONDITION for an entry that there is no training image for
 */
export function repetitionsOf(
  spec: EvaluationSpec,
  { classes }: LabelSpace,
  labels: TaskLabels,
  modalities: readonly string[],
): Repetition[][] {
  const { entries, seeds, task } = spec;
  return entries.map((entry) => {
    const { label, protocol, checkpoints, labelModalities } = entry;
    const draw = labelDrawOf(spec, entry);
    const images = Array.from({ length: labelled(labels) }, (_, image) => image).filter(
      (image) => labelModalities?.includes(modalities[image]!) ?? true,
    );
    if (images.length === 0) {
      throw new MedformerError(
        'FAILED_PRECONDITION',
        `${label}: no training image of ${labelModalities?.join(', ')} has a label for ${task}`,
      );
    }
    const drawn = (seed: number) =>
      protocol === 'head'
        ? []
        : drawTaskLabelled(takeLabels(labels, images), classes, draw, labelledDraw(task, seed)).map(
            (at) => images[at]!,
          );
    const changes = (drawsLabels(draw) && protocol !== 'head') || checkpoints.length > 1;
    return (changes ? seeds : seeds.slice(0, 1)).map((seed, index) => ({
      seed,
      checkpoint: checkpoints[index] ?? checkpoints[0]!,
      labelled: drawn(seed),
    }));
  });
}
