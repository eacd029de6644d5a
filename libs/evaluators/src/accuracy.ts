import type { Matrix } from './matrix.js';
import { predictedClasses } from './predictions.js';
import type { Statistic } from './statistic.js';
import { expectScored, type TaskLabels } from './task-labels.js';

/**
 * Fraction of right predictions by MedMNIST's conventions (medmnist/evaluator.py, `getACC`): the largest score for
 * multi-class and ordinal, strictly above 0.5 for binary (last column) and, averaged over labels, for multi-label.
 * @param scores `[images, classes]`; of binary and multi-label tasks probabilities.
 */
export function accuracy(scores: Matrix, labels: TaskLabels): number {
  return accuracyStatistic(scores, labels)()!;
}

/** `accuracy` on resampled images; undefined when none is counted. */
export function accuracyStatistic(scores: Matrix, labels: TaskLabels): Statistic {
  const right = rightPerImage(scores, labels);
  return (counts) => {
    let sum = 0;
    let images = 0;
    for (let image = 0; image < right.length; image += 1) {
      const count = counts ? counts[image]! : 1;
      sum += count * right[image]!;
      images += count;
    }
    return images === 0 ? undefined : sum / images;
  };
}

/** How much of each image is predicted rightly, `[images]`: 0 or 1; of multi-label tasks the share of its labels. */
export function rightPerImage(scores: Matrix, labels: TaskLabels): Float64Array {
  expectScored(scores, labels);
  if (labels.kind !== 'multi-label') {
    const { classes, kind } = labels;
    return Float64Array.from(predictedClasses(scores, kind), (predicted, image) =>
      Number(predicted === classes[image]),
    );
  }
  const { rows, columns, data } = labels.flags;
  return Float64Array.from({ length: rows }, (_, image) => {
    let right = 0;
    for (let at = image * columns; at < (image + 1) * columns; at += 1)
      right += Number(scores.data[at]! > 0.5 === (data[at] === 1));
    return right / columns;
  });
}
