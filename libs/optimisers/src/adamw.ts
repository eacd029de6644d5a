import type { OptimiserOf } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { type AdamState, adamMoments } from './adam-moments.js';

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2; PyTorch's AdamW).
 * @param gradient [P]
 * @param decayed [P]: 1 where weight decay applies, else 0
 * @param learningRate scalar tensor
 * @param corrections [2]: 1 - beta1^t and 1 - beta2^t for the t-th step
 */
export function adamw(
  state: AdamState,
  gradient: tf.Tensor,
  decayed: tf.Tensor,
  learningRate: tf.Tensor,
  corrections: tf.Tensor,
  settings: Pick<OptimiserOf<'adamw'>, 'beta1' | 'beta2' | 'weightDecay'>,
): AdamState {
  const { m, v, direction } = adamMoments(state, gradient, corrections, settings);
  const decay = tf.mul(tf.mul(tf.mul(state.parameters, decayed), settings.weightDecay), learningRate);
  const parameters = tf.sub(tf.sub(state.parameters, decay), tf.mul(learningRate, direction));
  return { parameters, m, v };
}
