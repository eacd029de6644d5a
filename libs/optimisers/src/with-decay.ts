import { tf } from '@medformer/tensorflow';

/** The gradient [P] of the loss plus weightDecay / 2 times the squared norm of the parameters marked in `decayed` [P]. */
export function withDecay(
  gradient: tf.Tensor,
  parameters: tf.Tensor,
  decayed: tf.Tensor,
  weightDecay: number,
): tf.Tensor {
  if (weightDecay === 0) return gradient;
  return tf.add(gradient, tf.mul(tf.mul(parameters, decayed), weightDecay));
}
