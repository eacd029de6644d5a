import { tf } from '@medformer/tensorflow';

/**
 * A gradient [P] scaled so that its L2 norm is at most `limit` (Pascanu et al. 2013, algorithm 1), and the norm it
 * had; `limit` 0 scales nothing.
 */
export function clipNorm(gradient: tf.Tensor, limit: number): { clipped: tf.Tensor; norm: tf.Scalar } {
  const norm = tf.sqrt(tf.sum(tf.square(gradient))) as tf.Scalar;
  if (limit === 0) return { clipped: gradient, norm };
  return { clipped: tf.mul(gradient, tf.minimum(tf.div(limit, tf.add(norm, 1e-6)), 1)), norm };
}
