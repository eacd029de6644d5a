import { tf } from '@medformer/tensorflow';

/**
 * Sigmoid cross entropy of each label by itself, mean over all that are known: `softplus(x) - x y`, which no logit
 * overflows. `logits` and `flags` are [B, L]; a flag is 0 or 1, or -1 where it is not known: it does not count, and
 * without any known one the loss is 0. `smoothing` moves each flag towards one half by that share.
 */
export function binaryCrossEntropy(logits: tf.Tensor, flags: tf.Tensor, smoothing = 0): tf.Scalar {
  return tf.tidy(() => {
    const targets = smoothing > 0 ? tf.add(tf.mul(flags, 1 - smoothing), smoothing / 2) : flags;
    const costs = tf.sub(tf.softplus(logits), tf.mul(logits, targets));
    return meanOfKnown(costs, flags);
  });
}

/** Share of the known flags on whose side of one half the probability lies; 0 without any. */
export function accuracyOfFlags(logits: tf.Tensor, flags: tf.Tensor): tf.Scalar {
  return tf.tidy(() =>
    meanOfKnown(tf.cast(tf.equal(tf.greater(logits, 0), tf.greater(flags, 0.5)), 'float32'), flags),
  );
}

function meanOfKnown(values: tf.Tensor, flags: tf.Tensor): tf.Scalar {
  const known = tf.cast(tf.greaterEqual(flags, 0), 'float32');
  return tf.div(tf.sum(tf.mul(values, known)), tf.maximum(tf.sum(known), 1)) as tf.Scalar;
}
