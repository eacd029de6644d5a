import { gelu, type Parameters } from '@medformer/medformer';
import { tf } from '@medformer/tensorflow';
import { BatchShare } from '../batch-share.js';

const NORM_EPSILON = 1e-5;

/**
 * The projection head of SimCLR and Barlow Twins: [N, D] -> [N, widths.at(-1)], dense layers with batch
 * normalisation and a nonlinearity between them, the last one bare. It is left behind after pretraining, so the
 * normalisation needs no running statistics. GELU in place of ReLU keeps one nonlinearity in the whole net.
 */
export function projectionHead(
  parameters: Parameters,
  method: string,
  h: tf.Tensor,
  widths: readonly number[],
  share = BatchShare.WHOLE,
): tf.Tensor {
  let x = h;
  widths.forEach((width, layer) => {
    const at = `method/${method}/projection-${layer}`;
    x = tf.matMul(x as tf.Tensor2D, parameters.get(`${at}/weight`, [x.shape[1]!, width]) as tf.Tensor2D);
    if (layer < widths.length - 1) x = gelu(batchNorm(parameters, at, x, share));
  });
  return x;
}

/** Batch normalisation by the whole batch's own statistics (Ioffe and Szegedy 2015): [N, D] -> [N, D]. */
function batchNorm(parameters: Parameters, at: string, x: tf.Tensor, share: BatchShare): tf.Tensor {
  const width = x.shape[1]!;
  const { mean, variance } = share.moments(x);
  const normed = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, NORM_EPSILON)));
  return tf.add(
    tf.mul(normed, parameters.get(`${at}/gain`, [width], 'ones')),
    parameters.get(`${at}/bias`, [width], 'zeros'),
  );
}
