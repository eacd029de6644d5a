import type { OptimiserSpec } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';

const EPSILON = 1e-8;

/** Flat vectors [P] over all updated parameters, in one order. */
export interface AdamwState {
  parameters: tf.Tensor;
  /** First and second moments. */
  m: tf.Tensor;
  v: tf.Tensor;
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2; PyTorch's AdamW).
 * @param gradient [P]
 * @param decayed [P]: 1 where weight decay applies, else 0
 * @param learningRate scalar tensor
 * @param corrections [2]: 1 - beta1^t and 1 - beta2^t for the t-th step
 */
export function adamw(
  state: AdamwState,
  gradient: tf.Tensor,
  decayed: tf.Tensor,
  learningRate: tf.Tensor,
  corrections: tf.Tensor,
  { beta1, beta2, weightDecay }: Pick<OptimiserSpec, 'beta1' | 'beta2' | 'weightDecay'>,
): AdamwState {
  const m = tf.add(tf.mul(state.m, beta1), tf.mul(gradient, 1 - beta1));
  const v = tf.add(tf.mul(state.v, beta2), tf.mul(tf.square(gradient), 1 - beta2));
  const mHat = tf.div(m, tf.slice(corrections, [0], [1]));
  const vHat = tf.div(v, tf.slice(corrections, [1], [1]));
  const kept = tf.sub(
    state.parameters,
    tf.mul(tf.mul(tf.mul(state.parameters, decayed), weightDecay), learningRate),
  );
  const parameters = tf.sub(kept, tf.mul(learningRate, tf.div(mHat, tf.add(tf.sqrt(vHat), EPSILON))));
  return { parameters, m, v };
}
