import type { TaskHead } from '@medformer/medformer';
import type { tf } from '@medformer/tensorflow';
import { BatchShare } from '../batch-share.js';
import { accuracyOfFlags, binaryCrossEntropy } from './binary-cross-entropy.js';
import { accuracyOf, crossEntropy, labelledRows } from './cross-entropy.js';

/**
 * Loss and accuracy of a head by what it tells apart: sigmoid cross entropy of each label by itself of a multi-label task,
 * else softmax cross entropy, of two classes as well and of ordered ones, as MedMNIST trains them
 * (MedMNIST/experiments, train_and_eval_pytorch.py). A cumulative head's logits are log probabilities, of which that is
 * the negative log-likelihood. `logits` and `labels` are [B, C].
 */
export function taskLoss(
  { kind }: Pick<TaskHead, 'kind'>,
  logits: tf.Tensor,
  labels: tf.Tensor,
  smoothing = 0,
  share = BatchShare.WHOLE,
): { loss: tf.Scalar; accuracy: tf.Scalar } {
  if (kind === 'multi-label') {
    return {
      loss: binaryCrossEntropy(logits, labels, smoothing, share),
      accuracy: accuracyOfFlags(logits, labels, share),
    };
  }
  const labelled = labelledRows(labels, share);
  return {
    loss: crossEntropy(logits, labels, smoothing, share, labelled),
    accuracy: accuracyOf(logits, labels, share, labelled),
  };
}
