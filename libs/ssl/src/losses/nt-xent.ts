import { tf } from '@medformer/tensorflow';
import { BatchShare } from '../batch-share.js';

/** Larger than any similarity over any temperature in use; exp(-this) is 0 in float32. */
const MASKED = 1e9;

/** `mean` over all 2N views, as in lightly and MONAI; `sum` of both halves' means, as in google-research/simclr. */
export type NtXentReduction = 'mean' | 'sum';

/**
 * The normalised temperature-scaled cross entropy of SimCLR (Chen et al. 2020, equation 1), mean over all 2N views;
 * with `sum` twice that.
 *
 * `z` is [2N, D]: row i and row i + N are two views of one image. Starts, and stays on collapse, at ln(2N - 1).
 * Computed by log-softmax, so that small temperatures do not overflow (as in google-research/simclr and lightly; MONAI
 * takes exponentials first). Where processes share a batch, each row meets the views of all of them.
 */
export function ntXent(
  z: tf.Tensor,
  temperature: number,
  reduction: NtXentReduction = 'mean',
  share = BatchShare.WHOLE,
): tf.Scalar {
  return tf.tidy(() => {
    const views = share.rows(z.shape[0]!);
    const images = views / 2;
    const unit = l2Normalise(z);
    const all = share.gather(unit, 2);
    const similarity = tf.div(tf.matMul(unit as tf.Tensor2D, all as tf.Tensor2D, false, true), temperature);
    const places = share.places(z.shape[0]!);
    const one = (at: Int32Array) => tf.cast(tf.oneHot(tf.tensor1d(at, 'int32'), views), 'float32');
    const self = one(places);
    const positive = one(places.map((place) => (place + images) % views)); // [own rows, 2N]
    const logProbability = tf.logSoftmax(tf.sub(similarity, tf.mul(self, MASKED)));
    const sum = tf.sum(tf.mul(logProbability, positive));
    return tf.neg(share.mean(sum, reduction === 'sum' ? images : views)) as tf.Scalar;
  });
}

/**
 * The two parts of the mean loss (Wang and Isola 2020): `alignment`, minus the mean similarity of the views of an image
 * over the temperature, and `uniformity`, the mean logarithm of the summed exponentials over all other views. Their sum
 * is the loss.
 */
export function ntXentTerms(
  z: tf.Tensor,
  temperature: number,
): Record<'alignment' | 'uniformity', tf.Scalar> {
  return tf.tidy(() => {
    const views = z.shape[0]!;
    const unit = l2Normalise(z) as tf.Tensor2D;
    const [first, second] = tf.split(unit, 2) as [tf.Tensor2D, tf.Tensor2D];
    const similarity = tf.div(tf.matMul(unit, unit, false, true), temperature);
    return {
      alignment: tf.div(tf.mean(tf.sum(tf.mul(first, second), 1)), -temperature) as tf.Scalar,
      uniformity: tf.mean(tf.logSumExp(tf.sub(similarity, tf.mul(tf.eye(views), MASKED)), 1)) as tf.Scalar,
    };
  });
}

/** Rows of unit length: [N, D] -> [N, D]; a zero row stays zero. */
export function l2Normalise(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.rsqrt(tf.add(tf.sum(tf.square(x), -1, true), 1e-12)));
}
