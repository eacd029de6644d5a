import { type EvaluationSpec, type LabelSpace, MedformerError, type ScoreRow } from '@medformer/schema';
import { accuracy } from './accuracy.js';
import { auc } from './auc.js';
import { addConfusion, confusionMatrix } from './confusion-matrix.js';
import type { Matrix } from './matrix.js';
import { predictedClasses } from './predictions.js';
import { summarise } from './summarise.js';
import { topK } from './top-k.js';

/**
 * One row of the table from the scores of every repetition.
 * @param repetitions class probabilities `[test images, classes]`, one per seed
 * @param labels class per test image
 */
export function scoreRow(
  { label, protocol, checkpoints }: EvaluationSpec['entries'][number],
  repetitions: readonly Matrix[],
  labels: Int32Array,
  { kind, classes }: LabelSpace,
): ScoreRow {
  if (kind === 'multi-label')
    throw new MedformerError('UNIMPLEMENTED', 'multi-label tasks have no score row');
  const over = (metric: (scores: Matrix) => number) => summarise(repetitions.map(metric));
  return {
    label,
    protocol,
    checkpoints,
    auc: over((scores) => auc(scores, { kind, classes: labels })),
    accuracy: over((scores) => accuracy(scores, { kind, classes: labels })),
    top1: over((scores) => topK(scores, labels, 1)),
    top3: over((scores) => topK(scores, labels, 3)),
    top5: over((scores) => topK(scores, labels, 5)),
    confusion: repetitions
      .map((scores) => confusionMatrix(predictedClasses(scores, kind), labels, classes.length))
      .reduce(addConfusion),
  };
}
