import { tf } from '@medformer/tensorflow';

/**
 * Softmax cross entropy, mean over the batch. `logits` and one-hot `labels` are [B, C]; `smoothing` moves that share
 * of each label's mass evenly over all classes (Szegedy et al. 2016, section 7).
 */
export function crossEntropy(logits: tf.Tensor, labels: tf.Tensor, smoothing = 0): tf.Scalar {
  return tf.tidy(() => {
    const [batch, classes] = logits.shape as [number, number];
    const targets = smoothing > 0 ? tf.add(tf.mul(labels, 1 - smoothing), smoothing / classes) : labels;
    return tf.neg(tf.div(tf.sum(tf.mul(tf.logSoftmax(logits), targets)), batch)) as tf.Scalar;
  });
}
