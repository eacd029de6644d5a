import type { ClassScores } from '@medformer/schema';
import { classOutcomes } from './class-outcomes.js';
import type { Matrix } from './matrix.js';
import type { TaskLabels } from './task-labels.js';

/**
 * Recall, precision and F1 of each class, of multi-label tasks of each label (scikit-learn's
 * `precision_recall_fscore_support`). A value with nothing to divide by is absent: the recall of a class that does not
 * occur, the precision of one that is never predicted, the F1 of one that is neither.
 * @param scores `[images, classes]`; of binary and multi-label tasks probabilities.
 */
export function perClassScores(scores: Matrix, labels: TaskLabels): ClassScores[] {
  return classOutcomes(scores, labels)().map(({ positives, predicted, hits }) => ({
    images: positives,
    ...(positives > 0 ? { recall: hits / positives } : {}),
    ...(predicted > 0 ? { precision: hits / predicted } : {}),
    ...(positives + predicted > 0 ? { f1: (2 * hits) / (positives + predicted) } : {}),
  }));
}
