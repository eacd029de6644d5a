import { tf } from '@medformer/tensorflow';
import { BatchShare } from '../batch-share.js';

/** Of facebookresearch/mae: a constant patch becomes 0, not noise. */
const NORM_EPSILON = 1e-6;

/**
 * The masked autoencoder's loss (He et al. 2022, section 3): mean squared error over the pixels of a patch, mean over
 * the masked patches of the batch. Visible patches count for nothing.
 *
 * `prediction` and `target` are [B, N, pixels], `mask` [B, N] with 1: masked. With `normPix` each target patch is
 * brought to mean 0 and sample variance 1 first. A prediction of 0 then costs (n - 1) / n for each patch of n pixels
 * that is not constant, and 0 for a constant one: the start is between 0 and (n - 1) / n when the last layer starts at
 * 0. The floor is 0.
 */
export function maskedReconstruction(
  prediction: tf.Tensor,
  target: tf.Tensor,
  mask: tf.Tensor,
  normPix: boolean,
  share = BatchShare.WHOLE,
): tf.Scalar {
  return tf.tidy(() => {
    const wanted = normPix ? normalisePatches(target) : target;
    const perPatch = tf.mean(tf.square(tf.sub(prediction, wanted)), -1); // [B, N]
    return share.mean(tf.sum(tf.mul(perPatch, mask)), share.total(tf.sum(mask)));
  });
}

/** Each patch to mean 0 and variance 1 (of n - 1, as in the reference): [B, N, pixels] -> the same. */
function normalisePatches(patches: tf.Tensor): tf.Tensor {
  const pixels = patches.shape[patches.shape.length - 1]!;
  const centred = tf.sub(patches, tf.mean(patches, -1, true));
  const variance = tf.div(tf.sum(tf.square(centred), -1, true), Math.max(1, pixels - 1));
  return tf.mul(centred, tf.rsqrt(tf.add(variance, NORM_EPSILON)));
}
