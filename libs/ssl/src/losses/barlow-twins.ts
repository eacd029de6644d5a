import { tf } from '@medformer/tensorflow';

const NORM_EPSILON = 1e-5;

/**
 * The redundancy-reduction loss of Barlow Twins (Zbontar et al. 2021, equation 1, algorithm 1):
 * sum_i (1 - C_ii)^2 + lambda sum_{i != j} C_ij^2, with C the cross-correlation of the two views' features over the
 * batch. `z` is [2N, D]: row i and row i + N are two views of one image.
 *
 * Convention: features are normalised as batch normalisation does (divide by N, epsilon 1e-5 inside the root), as in
 * the paper's code and lightly; MONAI divides by N - 1. Independent views give D (1 + 1/N) + lambda D (D - 1) / N.
 */
export function barlowTwins(z: tf.Tensor, lambda: number): tf.Scalar {
  return tf.tidy(() => {
    const images = z.shape[0]! / 2;
    const width = z.shape[1]!;
    const view0 = standardise(tf.slice(z, [0, 0], [images, width]));
    const view1 = standardise(tf.slice(z, [images, 0], [images, width]));
    const correlation = tf.div(tf.matMul(view0 as tf.Tensor2D, view1 as tf.Tensor2D, true, false), images); // [D, D]
    const identity = tf.eye(width);
    const weights = tf.add(tf.mul(identity, 1 - lambda), lambda); // 1 on the diagonal, lambda off it
    return tf.sum(tf.mul(tf.square(tf.sub(correlation, identity)), weights)) as tf.Scalar;
  });
}

/** Each feature to mean 0 and variance 1 over the batch: [N, D] -> [N, D]. */
function standardise(x: tf.Tensor): tf.Tensor {
  const centred = tf.sub(x, tf.mean(x, 0, true));
  return tf.mul(centred, tf.rsqrt(tf.add(tf.mean(tf.square(centred), 0, true), NORM_EPSILON)));
}
