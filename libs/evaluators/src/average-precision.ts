import { MedformerError } from '@medformer/schema';
import { columnOf, type Matrix } from './matrix.js';
import { meanOfDefined, type Statistic } from './statistic.js';
import { expectScored, isPositive, scoredColumns, type TaskLabels } from './task-labels.js';
import { tiedOrder } from './tied-order.js';

/**
 * Average precision, `sum((R_n - R_n-1) P_n)` over the distinct scores as thresholds (scikit-learn's
 * `average_precision_score`): the unweighted mean over score columns, one-vs-rest, of a binary task the last column.
 *
 * A class without positives has none and does not enter the mean; scikit-learn would count it as 0.
 * @param scores `[images, classes]`, any monotone scale.
 * @returns in (0, 1]; chance is the share of positives.
 * @throws MedformerError FAILED_PRECONDITION when no column has positives.
 */
export function averagePrecision(scores: Matrix, labels: TaskLabels): number {
  const precision = averagePrecisionStatistic(scores, labels)();
  if (precision !== undefined) return precision;
  throw new MedformerError('FAILED_PRECONDITION', 'average precision is undefined: no class has images');
}

/** `averagePrecision` on resampled images. */
export function averagePrecisionStatistic(scores: Matrix, labels: TaskLabels): Statistic {
  expectScored(scores, labels);
  const columns = scoredColumns(scores, labels).map((column) =>
    columnStatistic(columnOf(scores, column), isPositive(labels, column)),
  );
  return (counts) => meanOfDefined(columns.map((column) => column(counts)));
}

function columnStatistic(scores: Float64Array, positive: (image: number) => boolean): Statistic {
  const { order, ends } = tiedOrder(scores);
  const positives = Uint8Array.from(order, (image) => Number(positive(image)));
  return (counts) => {
    let hits = 0;
    let predicted = 0;
    let sum = 0;
    // From the highest score down: what lies above a threshold is predicted positive.
    for (let run = ends.length - 1; run >= 0; run -= 1) {
      let tied = 0;
      for (let at = run === 0 ? 0 : ends[run - 1]!; at < ends[run]!; at += 1) {
        const count = counts ? counts[order[at]!]! : 1;
        predicted += count;
        if (positives[at] === 1) tied += count;
      }
      hits += tied;
      if (tied > 0) sum += tied * (hits / predicted);
    }
    return hits === 0 ? undefined : sum / hits;
  };
}
