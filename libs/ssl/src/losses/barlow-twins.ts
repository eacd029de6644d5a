import { tf } from '@medformer/tensorflow';
import { BatchShare } from '../batch-share.js';

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
  share = BatchShare.WHOLE,
): tf.Scalar {
  return tf.tidy(() => {
    const deviations = squaredDeviations(z, normalisation, share);
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
    const deviations = squaredDeviations(z, normalisation, BatchShare.WHOLE);
    const identity = tf.eye(z.shape[1]!);
    return {
      invariance: tf.sum(tf.mul(deviations, identity)) as tf.Scalar,
      redundancy: tf.mul(tf.sum(tf.mul(deviations, tf.sub(1, identity))), lambda) as tf.Scalar,
    };
  });
}

/**
 * Squares of the cross-correlation's differences from the identity: [2N, D] -> [D, D], the same in all processes that share
 * the batch.
 */
function squaredDeviations(z: tf.Tensor, normalisation: BarlowNormalisation, share: BatchShare): tf.Tensor {
  const [own, width] = [z.shape[0]! / 2, z.shape[1]!];
  const images = share.rows(own);
  // Each image's two views side by side, so that one look at the whole batch brings the statistics of both.
  const pairs = tf.concat(tf.split(z, 2), 1);
  const standard = standardise(pairs, images, normalisation, share);
  const [view0, view1] = tf.split(standard, 2, 1) as [tf.Tensor2D, tf.Tensor2D];
  const correlation = tf.div(tf.matMul(view0, view1, true, false), images);
  return tf.square(tf.sub(share.replicas.sum(correlation, 'alike'), tf.eye(width)));
}

/** Each feature to mean 0 and deviation 1 over the batch: [N, D] -> [N, D]. */
function standardise(
  x: tf.Tensor,
  images: number,
  normalisation: BarlowNormalisation,
  share: BatchShare,
): tf.Tensor {
  const { mean, variance } = share.moments(x);
  const centred = tf.sub(x, mean);
  if (normalisation === 'batch') return tf.mul(centred, tf.rsqrt(tf.add(variance, 1e-5)));
  // The inner epsilon keeps the root's gradient finite for a constant feature; it is far below the outer one.
  const sample = tf.mul(variance, images / (images - 1));
  return tf.div(centred, tf.add(tf.sqrt(tf.add(sample, 1e-20)), 1e-6));
}
