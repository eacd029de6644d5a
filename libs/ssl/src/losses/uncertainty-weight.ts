import { tf } from '@medformer/tensorflow';

/**
 * A task's loss weighed by its noise (Kendall et al. 2018, equation 10, for classification): `exp(-s) loss + s / 2` with
 * s = log sigma^2, a trained scalar. At s = 0 it is the loss itself; for a loss that stays at L, s settles at log(2 L).
 */
export function uncertaintyWeighted(loss: tf.Scalar, logVariance: tf.Tensor): tf.Scalar {
  return tf.tidy(() => {
    const s = tf.reshape(logVariance, []);
    return tf.add(tf.mul(tf.exp(tf.neg(s)), loss), tf.div(s, 2)) as tf.Scalar;
  });
}
