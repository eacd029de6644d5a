import { NATIVE_BACKEND_NAME, symmetricEigenvalues, tf } from '@medformer/tensorflow';
import { l2Normalise } from '../losses/nt-xent.js';

/** Rows that the effective rank is of at most: eigenvalues cost the cube of the smaller of rows and width. */
export const RANKED_ROWS = 256;

/** Below this share of the largest eigenvalue a float32 eigenvalue is rounding. */
const ROUNDING = 1.2e-7;

/**
 * Mean over features of the standard deviation of the L2-normalised embeddings [N, D], times sqrt(D): near 1 when they
 * spread over all directions, near 0 on collapse (Chen and He 2021, section 4.1).
 */
export function embeddingStd(h: tf.Tensor): tf.Scalar {
  return tf.tidy(() => {
    const unit = l2Normalise(h);
    const spread = tf.sqrt(tf.mean(tf.square(tf.sub(unit, tf.mean(unit, 0, true))), 0));
    return tf.mul(tf.mean(spread), Math.sqrt(h.shape[1]!)) as tf.Scalar;
  });
}

/**
 * How many directions the first 256 of the embeddings [N, D] use: the exponential of the entropy of their normalised
 * singular values (RankMe, Garrido et al. 2023, equation 1), 1 to min(N, D, 256). Not centred, as in RankMe, so that
 * embeddings that are all the same have rank 1. The singular values are the roots of the Gram matrix's eigenvalues:
 * within rounding, which is a rank of 1.1 for embeddings that are all the same. NaN without native TensorFlow; without
 * a meaning where an embedding is not finite.
 */
export function effectiveRank(h: tf.Tensor): tf.Scalar {
  if (tf.engine().backendName !== NATIVE_BACKEND_NAME) return tf.scalar(Number.NaN);
  return tf.tidy(() => {
    const [rows, width] = h.shape as [number, number];
    const taken = rows > RANKED_ROWS ? tf.slice(h, [0, 0], [RANKED_ROWS, width]) : h;
    const tall = Math.min(rows, RANKED_ROWS) > width;
    // By the largest value, so that its squares neither overflow nor vanish.
    const scaled = tf.div(taken, tf.maximum(tf.max(tf.abs(taken)), 1e-30)) as tf.Tensor2D;
    const gram = tf.matMul(scaled, scaled, tall, !tall);
    // TensorFlow's solver fails on what is not finite, and the step has to end with its loss.
    const finite = tf.where(tf.isFinite(gram), gram, tf.zerosLike(gram));
    const eigenvalues = tf.relu(symmetricEigenvalues(finite));
    const kept = tf.sub(eigenvalues, tf.mul(tf.max(eigenvalues), ROUNDING));
    const singular = tf.sqrt(tf.relu(kept));
    const share = tf.div(singular, tf.maximum(tf.sum(singular), 1e-30));
    return tf.exp(tf.neg(tf.sum(tf.mul(share, tf.log(tf.maximum(share, 1e-30)))))) as tf.Scalar;
  });
}

/**
 * The effective rank of the embeddings minus their mean. One large vector in all of them, as a network that has just begun or
 * learns a hard task has, leaves it as it is; collapse does not: then what differs is noise along few directions.
 */
export function centredRank(h: tf.Tensor): tf.Scalar {
  return tf.tidy(() => effectiveRank(tf.sub(h, tf.mean(h, 0, true))));
}
