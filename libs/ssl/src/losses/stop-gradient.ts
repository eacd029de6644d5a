import { tf } from '@medformer/tensorflow';

/** The same values, of which no gradient flows back; tfjs has no op of its own for it. */
export function stopGradient(x: tf.Tensor): tf.Tensor {
  return tf.customGrad(() => ({ value: tf.clone(x), gradFunc: () => [] }))();
}
