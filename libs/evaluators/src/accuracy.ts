import type { Matrix } from './matrix.js';
import { predictedClasses } from './predictions.js';
import { expectScored, type TaskLabels } from './task-labels.js';

/**
 * Fraction of right predictions by MedMNIST's conventions (medmnist/evaluator.py, `getACC`): the largest score for
 * multi-class and ordinal, strictly above 0.5 for binary (last column) and, averaged over labels, for multi-label.
 * @param scores `[images, classes]`; of binary and multi-label tasks probabilities.
 */
export function accuracy(scores: Matrix, labels: TaskLabels): number {
  expectScored(scores, labels);
  if (labels.kind === 'multi-label') {
    const { data } = labels.flags;
    let right = 0;
    for (let at = 0; at < data.length; at += 1) right += Number(scores.data[at]! > 0.5 === (data[at] === 1));
    return right / data.length;
  }
  const { classes, kind } = labels;
  const right = predictedClasses(scores, kind).reduce(
    (sum, predicted, image) => sum + (predicted === classes[image] ? 1 : 0),
    0,
  );
  return right / scores.rows;
}
