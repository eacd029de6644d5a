import { classOutcomes } from './class-outcomes.js';
import type { Matrix } from './matrix.js';
import { meanOfDefined, type Statistic } from './statistic.js';
import type { TaskLabels } from './task-labels.js';

/**
 * Macro F1: the unweighted mean over classes (both of a binary task), of multi-label tasks over labels, of
 * `2 hits / (positives + predicted)`. A class that neither occurs nor is predicted does not enter the mean
 * (scikit-learn's `f1_score(average="macro", zero_division=nan)`).
 * @param scores `[images, classes]`; of binary and multi-label tasks probabilities.
 * @returns in [0, 1]; 0 where no label of a multi-label task occurs or is predicted.
 */
export function macroF1(scores: Matrix, labels: TaskLabels): number {
  return macroF1Statistic(scores, labels)() ?? 0;
}

/** `macroF1` on resampled images. */
export function macroF1Statistic(scores: Matrix, labels: TaskLabels): Statistic {
  const outcomes = classOutcomes(scores, labels);
  return (counts) =>
    meanOfDefined(
      outcomes(counts).map(({ positives, predicted, hits }) =>
        positives + predicted === 0 ? undefined : (2 * hits) / (positives + predicted),
      ),
    );
}
