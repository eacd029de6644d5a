import { MedformerError } from '@medformer/schema';
import { columnOf, type Matrix } from './matrix.js';
import { expectScored, type TaskLabels } from './task-labels.js';

/**
 * Area under the ROC curve by MedMNIST's conventions (medmnist/evaluator.py, `getAUC`): multi-class and ordinal
 * are the unweighted mean of one-vs-rest areas over the score columns, multi-label the mean over labels, binary
 * the area of the last column.
 *
 * Where MedMNIST fails, this leaves out: a column whose labels are all positive or all negative has no area and
 * does not enter the mean.
 * @param scores `[images, classes]`, any monotone scale.
 * @returns in [0, 1]; 0.5 is chance.
 * @throws MedformerError FAILED_PRECONDITION when no column has both positives and negatives.
 */
export function auc(scores: Matrix, labels: TaskLabels): number {
  expectScored(scores, labels);
  const columns =
    labels.kind === 'binary' ? [scores.columns - 1] : Array.from({ length: scores.columns }, (_, c) => c);
  const areas = columns
    .map((column) => rocAuc(columnOf(scores, column), isPositive(labels, column)))
    .filter((area) => area !== undefined);
  if (areas.length === 0) {
    throw new MedformerError(
      'FAILED_PRECONDITION',
      'AUC is undefined: no class has both positive and negative images among the labels',
    );
  }
  return areas.reduce((sum, area) => sum + area, 0) / areas.length;
}

/**
 * The probability that a positive scores above a negative, ties counted half (Mann-Whitney U by mid-ranks): equal
 * to the trapezoidal area under the ROC curve. Undefined when positives or negatives are missing.
 * @throws MedformerError INVALID_ARGUMENT for a NaN score, which has no rank.
 */
export function rocAuc(scores: ArrayLike<number>, positive: (image: number) => boolean): number | undefined {
  const order = Uint32Array.from({ length: scores.length }, (_, image) => image);
  for (const image of order) {
    if (Number.isNaN(scores[image])) {
      throw new MedformerError('INVALID_ARGUMENT', `scores: image ${image}: expected a number, found NaN`);
    }
  }
  order.sort((x, y) => (scores[x] as number) - (scores[y] as number));
  let positives = 0;
  let rankSum = 0;
  for (let begin = 0; begin < order.length; ) {
    let end = begin + 1;
    while (end < order.length && scores[order[end]!] === scores[order[begin]!]) end += 1;
    const midRank = (begin + 1 + end) / 2;
    for (let at = begin; at < end; at += 1) {
      if (!positive(order[at]!)) continue;
      positives += 1;
      rankSum += midRank;
    }
    begin = end;
  }
  const negatives = scores.length - positives;
  if (positives === 0 || negatives === 0) return undefined;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

function isPositive(labels: TaskLabels, column: number): (image: number) => boolean {
  if (labels.kind === 'multi-label') {
    const { data, columns } = labels.flags;
    return (image) => data[image * columns + column] === 1;
  }
  if (labels.kind === 'binary') return (image) => labels.classes[image] === 1;
  return (image) => labels.classes[image] === column;
}
