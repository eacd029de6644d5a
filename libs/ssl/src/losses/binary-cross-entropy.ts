import { tf } from '@medformer/tensorflow';
import { BatchShare } from '../batch-share.js';

/**
 * Sigmoid cross entropy of each label by itself, mean over all that are known: `softplus(x) - x y`, which no logit
 * overflows. `logits` and `flags` are [B, L]; a flag is 0 or 1, or -1 where it is not known: it does not count, and
 * without any known one the loss is 0. `smoothing` moves each flag towards one half by that share.
 */
export function binaryCrossEntropy(
  logits: tf.Tensor,
  flags: tf.Tensor,
  smoothing = 0,
  share = BatchShare.WHOLE,
): tf.Scalar {
  return tf.tidy(() => {
    const targets = smoothing > 0 ? tf.add(tf.mul(flags, 1 - smoothing), smoothing / 2) : flags;
    const costs = tf.sub(tf.softplus(logits), tf.mul(logits, targets));
    return meanOfKnown(costs, flags, share);
  });
}

/** Share of the known flags on whose side of one half the probability lies; 0 without any. */
export function accuracyOfFlags(logits: tf.Tensor, flags: tf.Tensor, share = BatchShare.WHOLE): tf.Scalar {
  return tf.tidy(() => {
    const right = tf.cast(tf.equal(tf.greater(logits, 0), tf.greater(flags, 0.5)), 'float32');
    return meanOfKnown(right, flags, share);
  });
}

function meanOfKnown(values: tf.Tensor, flags: tf.Tensor, share: BatchShare): tf.Scalar {
  const known = tf.cast(tf.greaterEqual(flags, 0), 'float32');
  return share.mean(tf.sum(tf.mul(values, known)), tf.maximum(share.total(tf.sum(known)), 1));
}
