import { tf } from '@medformer/tensorflow';
import { BatchShare } from '../batch-share.js';
import { accuracyOf, crossEntropy } from './cross-entropy.js';

/**
 * The autoregressive loss (Chen et al. 2020, equation 1): cross entropy of each token given those before it, mean over
 * all tokens of all images, and the share of tokens predicted right. `logits` are [B, N, V], at place n computed without
 * token n; `ids` are the tokens, int32 [B * N]. Without knowledge it is ln V.
 */
export function nextToken(
  logits: tf.Tensor,
  ids: tf.Tensor,
  share = BatchShare.WHOLE,
): { loss: tf.Scalar; accuracy: tf.Scalar } {
  const codes = logits.shape[2]!;
  const rows = tf.reshape(logits, [-1, codes]);
  const targets = tf.cast(tf.oneHot(ids as tf.Tensor1D, codes), 'float32');
  const tokens = share.rows(rows.shape[0]!);
  return {
    loss: crossEntropy(rows, targets, 0, share, tokens),
    accuracy: accuracyOf(rows, targets, share, tokens),
  };
}
