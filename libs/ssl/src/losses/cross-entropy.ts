import { tf } from '@medformer/tensorflow';

/**
 * Softmax cross entropy, mean over the labelled rows. `logits` and one-hot `labels` are [B, C]; a row of zeros has no
 * label and does not count: without any label the loss is 0. `smoothing` moves that share of each label's mass evenly
 * over all classes (Szegedy et al. 2016, section 7).
 */
export function crossEntropy(logits: tf.Tensor, labels: tf.Tensor, smoothing = 0): tf.Scalar {
  return tf.tidy(() => {
    const classes = logits.shape[1]!;
    const mass = tf.sum(labels, 1, true); // 1, or 0 without a label
    const targets =
      smoothing > 0 ? tf.add(tf.mul(labels, 1 - smoothing), tf.mul(mass, smoothing / classes)) : labels;
    const labelled = tf.maximum(tf.sum(mass), 1);
    return tf.neg(tf.div(tf.sum(tf.mul(tf.logSoftmax(logits), targets)), labelled)) as tf.Scalar;
  });
}

/** Share of the labelled rows whose largest logit is their label's; 0 without any label. */
export function accuracyOf(logits: tf.Tensor, labels: tf.Tensor): tf.Scalar {
  return tf.tidy(() => {
    const labelled = tf.sum(labels, 1);
    const right = tf.cast(tf.equal(tf.argMax(logits, 1), tf.argMax(labels, 1)), 'float32');
    return tf.div(tf.sum(tf.mul(right, labelled)), tf.maximum(tf.sum(labelled), 1)) as tf.Scalar;
  });
}
