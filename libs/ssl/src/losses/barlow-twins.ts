import { tf } from '@medformer/tensorflow';

/**
 * What a feature is divided by. `batch`: its deviation over the batch, sqrt(variance / N + 1e-5), as batch normalisation
 * does it: the paper's code and lightly. `sample`: its sample deviation, sqrt(variance / (N - 1)) + 1e-6, while the
 * correlation is still a sum over N: MONAI. Then C_ii reaches (N - 1) / N at most and like views cost D / N^2.
 */
export type BarlowNormalisation = 'batch' | 'sample';

/**
 * The redundancy-reduction loss of Barlow Twins (Zbontar et al. 2021, equation 1, algorithm 1):
 * sum_i (1 - C_ii)^2 + lambda sum_{i != j} C_ij^2, with C the cross-correlation of the two views' features over the
 * batch. `z` is [2N, D]: row i and row i + N are two views of one image.
 *
 * Normalised by `batch`, independent views give D (1 + 1/N) + lambda D (D - 1) / N.
 */
export function barlowTwins(
  z: tf.Tensor,
  lambda: number,
  normalisation: BarlowNormalisation = 'batch',
): tf.Scalar {
  return tf.tidy(() => {
    const deviations = squaredDeviations(z, normalisation);
    const identity = tf.eye(z.shape[1]!);
    const weights = tf.add(tf.mul(identity, 1 - lambda), lambda); // 1 on the diagonal, lambda off it
    return tf.sum(tf.mul(deviations, weights)) as tf.Scalar;
  });
}

/** The two sums of the loss: `invariance` over the diagonal, and `redundancy` off it, times lambda. */
export function barlowTwinsTerms(
  z: tf.Tensor,
  lambda: number,
  normalisation: BarlowNormalisation = 'batch',
): Record<'invariance' | 'redundancy', tf.Scalar> {
  return tf.tidy(() => {
    const deviations = squaredDeviations(z, normalisation);
    const identity = tf.eye(z.shape[1]!);
    return {
      invariance: tf.sum(tf.mul(deviations, identity)) as tf.Scalar,
      redundancy: tf.mul(tf.sum(tf.mul(deviations, tf.sub(1, identity))), lambda) as tf.Scalar,
    };
  });
}

/** Squares of the cross-correlation's differences from the identity: [2N, D] -> [D, D]. */
function squaredDeviations(z: tf.Tensor, normalisation: BarlowNormalisation): tf.Tensor {
  const images = z.shape[0]! / 2;
  const width = z.shape[1]!;
  const view0 = standardise(tf.slice(z, [0, 0], [images, width]), normalisation);
  const view1 = standardise(tf.slice(z, [images, 0], [images, width]), normalisation);
  const correlation = tf.div(tf.matMul(view0 as tf.Tensor2D, view1 as tf.Tensor2D, true, false), images);
  return tf.square(tf.sub(correlation, tf.eye(width)));
}

/** Each feature to mean 0 and deviation 1 over the batch: [N, D] -> [N, D]. */
function standardise(x: tf.Tensor, normalisation: BarlowNormalisation): tf.Tensor {
  const images = x.shape[0]!;
  const centred = tf.sub(x, tf.mean(x, 0, true));
  const squares = tf.sum(tf.square(centred), 0, true);
  if (normalisation === 'batch') return tf.mul(centred, tf.rsqrt(tf.add(tf.div(squares, images), 1e-5)));
  // The inner epsilon keeps the root's gradient finite for a constant feature; it is far below the outer one.
  return tf.div(centred, tf.add(tf.sqrt(tf.add(tf.div(squares, images - 1), 1e-20)), 1e-6));
}
