import { tf } from '@medformer/tensorflow';

const EPSILON = 1e-8;

/** Flat vectors [P] over all updated parameters, in one order. */
export interface AdamState {
  parameters: tf.Tensor;
  /** First and second moments. */
  m: tf.Tensor;
  v: tf.Tensor;
}

/**
 * The moments after a gradient [P], and the direction [P] of the step they give (Kingma and Ba 2015, algorithm 1).
 * @param corrections [2]: 1 - beta1^t and 1 - beta2^t for the t-th step
 */
export function adamMoments(
  { m, v }: Pick<AdamState, 'm' | 'v'>,
  gradient: tf.Tensor,
  corrections: tf.Tensor,
  { beta1, beta2 }: { beta1: number; beta2: number },
): { m: tf.Tensor; v: tf.Tensor; direction: tf.Tensor } {
  const nextM = tf.add(tf.mul(m, beta1), tf.mul(gradient, 1 - beta1));
  const nextV = tf.add(tf.mul(v, beta2), tf.mul(tf.square(gradient), 1 - beta2));
  const mHat = tf.div(nextM, tf.slice(corrections, [0], [1]));
  const vHat = tf.div(nextV, tf.slice(corrections, [1], [1]));
  return { m: nextM, v: nextV, direction: tf.div(mHat, tf.add(tf.sqrt(vHat), EPSILON)) };
}
