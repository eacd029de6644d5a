import { tf } from '@medformer/tensorflow';
import { BatchShare } from '../batch-share.js';

/**
 * Softmax cross entropy, mean over the labelled rows. `logits` and one-hot `labels` are [B, C]; a row of zeros has no
 * label and does not count: without any label the loss is 0. `smoothing` moves that share of each label's mass evenly
 * over all classes (Szegedy et al. 2016, section 7).
 * @param labelled `labelledRows`, where the caller has it
 */
export function crossEntropy(
  logits: tf.Tensor,
  labels: tf.Tensor,
  smoothing = 0,
  share = BatchShare.WHOLE,
  labelled?: number | tf.Tensor,
): tf.Scalar {
  return tf.tidy(() => {
    const classes = logits.shape[1]!;
    const mass = tf.sum(labels, 1, true); // 1, or 0 without a label
    const targets =
      smoothing > 0 ? tf.add(tf.mul(labels, 1 - smoothing), tf.mul(mass, smoothing / classes)) : labels;
    const sum = tf.sum(tf.mul(tf.logSoftmax(logits), targets));
    return tf.neg(share.mean(sum, labelled ?? labelledRows(labels, share))) as tf.Scalar;
  });
}

/** Share of the labelled rows whose largest logit is their label's; 0 without any label. */
export function accuracyOf(
  logits: tf.Tensor,
  labels: tf.Tensor,
  share = BatchShare.WHOLE,
  labelled?: number | tf.Tensor,
): tf.Scalar {
  return tf.tidy(() => {
    const mass = tf.sum(labels, 1);
    const right = tf.cast(tf.equal(tf.argMax(logits, 1), tf.argMax(labels, 1)), 'float32');
    return share.mean(tf.sum(tf.mul(right, mass)), labelled ?? labelledRows(labels, share));
  });
}

/** How many rows of the whole batch have a label, at least 1: what both functions above divide by. */
export function labelledRows(labels: tf.Tensor, share: BatchShare): tf.Tensor {
  return tf.tidy(() => tf.maximum(share.total(tf.sum(labels)), 1));
}
