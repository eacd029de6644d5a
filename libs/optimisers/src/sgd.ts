import type { OptimiserOf } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { withDecay } from './with-decay.js';

/** Flat vectors [P] over all updated parameters, in one order. */
export interface MomentumState {
  parameters: tf.Tensor;
  /** Decaying sum of the directions taken. */
  momentum: tf.Tensor;
}

/**
 * Gradient descent with momentum (Sutskever et al. 2013 in PyTorch's form: the rate scales the step, not what the
 * momentum gathers; no dampening). Weight decay is added to the gradient.
 * @param gradient [P]
 * @param decayed [P]: 1 where weight decay applies, else 0
 * @param learningRate scalar tensor
 */
export function sgd(
  state: MomentumState,
  gradient: tf.Tensor,
  decayed: tf.Tensor,
  learningRate: tf.Tensor,
  {
    momentum: kept,
    nesterov,
    weightDecay,
  }: Pick<OptimiserOf<'sgd'>, 'momentum' | 'nesterov' | 'weightDecay'>,
): MomentumState {
  const total = withDecay(gradient, state.parameters, decayed, weightDecay);
  const momentum = tf.add(tf.mul(state.momentum, kept), total);
  const direction = nesterov ? tf.add(total, tf.mul(momentum, kept)) : momentum;
  return { parameters: tf.sub(state.parameters, tf.mul(learningRate, direction)), momentum };
}
