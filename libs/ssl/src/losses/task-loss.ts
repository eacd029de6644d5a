import type { TaskHead } from '@medformer/medformer';
import type { tf } from '@medformer/tensorflow';
import { accuracyOfFlags, binaryCrossEntropy } from './binary-cross-entropy.js';
import { accuracyOf, crossEntropy } from './cross-entropy.js';

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
): { loss: tf.Scalar; accuracy: tf.Scalar } {
  return kind === 'multi-label'
    ? { loss: binaryCrossEntropy(logits, labels, smoothing), accuracy: accuracyOfFlags(logits, labels) }
    : { loss: crossEntropy(logits, labels, smoothing), accuracy: accuracyOf(logits, labels) };
}
