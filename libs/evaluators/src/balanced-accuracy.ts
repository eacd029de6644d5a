import { classOutcomes } from './class-outcomes.js';
import type { Matrix } from './matrix.js';
import { meanOfDefined, type Statistic } from './statistic.js';
import type { TaskLabels } from './task-labels.js';

/**
 * The unweighted mean of the recalls of the classes that occur (scikit-learn's `balanced_accuracy_score`); of
 * multi-label tasks the mean over labels of the mean of recall and specificity, a label without positives or without
 * negatives counting by the one it has.
 * @param scores `[images, classes]`; of binary and multi-label tasks probabilities.
 * @returns in [0, 1]; chance is one over the classes, 0.5 of multi-label tasks.
 */
export function balancedAccuracy(scores: Matrix, labels: TaskLabels): number {
  return balancedAccuracyStatistic(scores, labels)()!;
}

/** `balancedAccuracy` on resampled images; undefined when none is counted. */
export function balancedAccuracyStatistic(scores: Matrix, labels: TaskLabels): Statistic {
  const outcomes = classOutcomes(scores, labels);
  return (counts) =>
    meanOfDefined(
      outcomes(counts).map(({ positives, predicted, hits, images }) => {
        const recall = positives === 0 ? undefined : hits / positives;
        if (labels.kind !== 'multi-label') return recall;
        const negatives = images - positives;
        const specificity = negatives === 0 ? undefined : 1 - (predicted - hits) / negatives;
        return meanOfDefined([recall, specificity]);
      }),
    );
}
