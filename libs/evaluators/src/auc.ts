import { MedformerError } from '@medformer/schema';
import { columnOf, type Matrix } from './matrix.js';
import { meanOfDefined, type Statistic } from './statistic.js';
import { expectScored, isPositive, scoredColumns, type TaskLabels } from './task-labels.js';
import { tiedOrder } from './tied-order.js';

/**
 * Area under the ROC curve by MedMNIST's conventions (medmnist/evaluator.py, `getAUC`): multi-class and ordinal
 * are the unweighted mean of one-vs-rest areas over the score columns, multi-label the mean over labels, binary
 * the area of the last column.
 *
 * Where MedMNIST gives NaN, this leaves out: a column whose labels are all positive or all negative has no area and
 * does not enter the mean.
 * @param scores `[images, classes]`, any monotone scale.
 * @returns in [0, 1]; 0.5 is chance.
 * @throws MedformerError FAILED_PRECONDITION when no column has both positives and negatives.
 */
export function auc(scores: Matrix, labels: TaskLabels): number {
  const area = aucStatistic(scores, labels)();
  if (area !== undefined) return area;
  throw new MedformerError(
    'FAILED_PRECONDITION',
    'AUC is undefined: no class has both positive and negative images among the labels',
  );
}

/** `auc` on resampled images; a column without an area among them does not enter their mean. */
export function aucStatistic(scores: Matrix, labels: TaskLabels): Statistic {
  expectScored(scores, labels);
  const areas = scoredColumns(scores, labels).map((column) =>
    rocAucStatistic(columnOf(scores, column), isPositive(labels, column)),
  );
  return (counts) => meanOfDefined(areas.map((area) => area(counts)));
}

/**
 * The probability that a positive scores above a negative, ties counted half (Mann-Whitney U): equal to the
 * trapezoidal area under the ROC curve. Undefined when positives or negatives are missing.
 * @throws MedformerError INVALID_ARGUMENT for a NaN score, which has no rank.
 */
export function rocAuc(scores: ArrayLike<number>, positive: (image: number) => boolean): number | undefined {
  return rocAucStatistic(scores, positive)();
}

function rocAucStatistic(scores: ArrayLike<number>, positive: (image: number) => boolean): Statistic {
  const { order, ends } = tiedOrder(scores);
  const positives = Uint8Array.from(order, (image) => Number(positive(image)));
  return (counts) => {
    let above = 0;
    let positivesBelow = 0;
    let negativesBelow = 0;
    let at = 0;
    for (const end of ends) {
      let tiedPositives = 0;
      let tiedNegatives = 0;
      for (; at < end; at += 1) {
        const count = counts ? counts[order[at]!]! : 1;
        if (positives[at] === 1) tiedPositives += count;
        else tiedNegatives += count;
      }
      above += tiedPositives * (negativesBelow + tiedNegatives / 2);
      positivesBelow += tiedPositives;
      negativesBelow += tiedNegatives;
    }
    if (positivesBelow === 0 || negativesBelow === 0) return undefined;
    return above / (positivesBelow * negativesBelow);
  };
}
