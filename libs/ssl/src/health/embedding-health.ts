import { NATIVE_BACKEND_NAME, symmetricEigenvalues, tf } from '@medformer/tensorflow';
import { BatchShare } from '../batch-share.js';
import { l2Normalise } from '../losses/nt-xent.js';

/** Rows that the effective rank is of at most: eigenvalues cost the cube of the smaller of rows and width. */
export const RANKED_ROWS = 256;

/** Below this share of the largest eigenvalue a float32 eigenvalue is rounding. */
const ROUNDING = 1.2e-7;

/**
 * Mean over features of the standard deviation of the L2-normalised embeddings, times sqrt(D): near 1 when they spread over
 * all directions, near 0 on collapse (Chen and He 2021, section 4.1). `variance` [D] is that of `batchHealth`.
 */
export function embeddingStd(variance: tf.Tensor): tf.Scalar {
  return tf.tidy(() => tf.mul(tf.mean(tf.sqrt(variance)), Math.sqrt(variance.shape[0]!)) as tf.Scalar);
}

/** What is looked at of a batch's embeddings. */
export interface BatchHealth {
  /** This process's share of the variance of each feature of the unit embeddings, [D]. */
  variance: tf.Tensor;
  /** The effective rank of the whole batch. */
  rank: tf.Scalar;
  /**
   * That of the embeddings minus their mean. One large vector in all of them, as a network that has just begun or learns a
   * hard task has, leaves it as it is; collapse does not: then what differs is noise along few directions.
   */
  centred: tf.Scalar;
}

/**
 * The health of a whole batch's embeddings, of which this process has [own rows, D].
 * @param views that the rows are of
 */
export function batchHealth(h: tf.Tensor, views: number, share = BatchShare.WHOLE): BatchHealth {
  return tf.tidy(() => {
    const [count, width] = h.shape as [number, number];
    const rows = share.rows(count);
    const unit = l2Normalise(h);
    const most = Math.min(rows, RANKED_ROWS);
    const own = [tf.sum(unit, 0, true), tf.sum(h, 0, true), share.placed(h, views, most)];
    const [unitSum, sum, first] = tf.split(share.total(tf.concat(own)), [1, 1, most]) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    const [unitMean, mean] = [tf.div(unitSum, rows), tf.div(sum, rows)];
    const squares = tf.sum(tf.square(tf.sub(unit, unitMean)), 0);
    return {
      variance: tf.reshape(share.mean(squares, rows), [width]),
      rank: effectiveRank(first),
      centred: effectiveRank(tf.sub(first, mean)),
    };
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
