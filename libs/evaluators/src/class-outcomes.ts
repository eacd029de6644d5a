import type { Matrix } from './matrix.js';
import { predictedClasses } from './predictions.js';
import { expectScored, type TaskLabels } from './task-labels.js';

/** How the images of a class, or of a label, fare against their predictions; counts of images. */
export interface ClassOutcome {
  positives: number;
  predicted: number;
  /** Positives that are predicted as such. */
  hits: number;
  images: number;
}

/**
 * One outcome per class; of multi-label tasks one per label. Predictions are those of `accuracy`: the largest score, or
 * strictly above 0.5.
 * @param scores `[images, classes]`
 * @returns the outcomes on resampled images
 */
export function classOutcomes(
  scores: Matrix,
  labels: TaskLabels,
): (counts?: ArrayLike<number>) => ClassOutcome[] {
  expectScored(scores, labels);
  if (labels.kind === 'multi-label') return labelOutcomes(scores, labels.flags);
  const { classes } = labels;
  const predicted = predictedClasses(scores, labels.kind);
  return (counts) => {
    const outcomes = empty(Math.max(scores.columns, 2));
    let images = 0;
    for (let image = 0; image < predicted.length; image += 1) {
      const count = counts ? counts[image]! : 1;
      images += count;
      outcomes[classes[image]!]!.positives += count;
      outcomes[predicted[image]!]!.predicted += count;
      if (predicted[image] === classes[image]) outcomes[classes[image]!]!.hits += count;
    }
    return outcomes.map((outcome) => ({ ...outcome, images }));
  };
}

function labelOutcomes(scores: Matrix, flags: Matrix): (counts?: ArrayLike<number>) => ClassOutcome[] {
  const { rows, columns } = flags;
  return (counts) => {
    const outcomes = empty(columns);
    let images = 0;
    for (let image = 0; image < rows; image += 1) {
      const count = counts ? counts[image]! : 1;
      images += count;
      for (let label = 0; label < columns; label += 1) {
        const at = image * columns + label;
        const outcome = outcomes[label]!;
        const positive = flags.data[at] === 1;
        const predicted = scores.data[at]! > 0.5;
        if (positive) outcome.positives += count;
        if (predicted) outcome.predicted += count;
        if (positive && predicted) outcome.hits += count;
      }
    }
    return outcomes.map((outcome) => ({ ...outcome, images }));
  };
}

function empty(count: number): Omit<ClassOutcome, 'images'>[] {
  return Array.from({ length: count }, () => ({ positives: 0, predicted: 0, hits: 0 }));
}
