import { tf } from '@medformer/tensorflow';

/**
 * Sigmoid cross entropy of each label by itself, mean over images and labels: `softplus(x) - x y`, which no logit
 * overflows. `logits` and `flags` of 0 and 1 are [B, L]. `smoothing` moves each flag towards one half by that share.
 */
export function binaryCrossEntropy(logits: tf.Tensor, flags: tf.Tensor, smoothing = 0): tf.Scalar {
  return tf.tidy(() => {
    const targets = smoothing > 0 ? tf.add(tf.mul(flags, 1 - smoothing), smoothing / 2) : flags;
    return tf.mean(tf.sub(tf.softplus(logits), tf.mul(logits, targets))) as tf.Scalar;
  });
}

/** Share of flags on whose side of one half the probability lies. */
export function accuracyOfFlags(logits: tf.Tensor, flags: tf.Tensor): tf.Scalar {
  return tf.tidy(
    () => tf.mean(tf.cast(tf.equal(tf.greater(logits, 0), tf.greater(flags, 0.5)), 'float32')) as tf.Scalar,
  );
}
