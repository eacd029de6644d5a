import type { OptimiserOf } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { type AdamState, adamMoments } from './adam-moments.js';
import { withDecay } from './with-decay.js';

/**
 * Adam (Kingma and Ba 2015, algorithm 1; PyTorch's Adam): weight decay is added to the gradient, so that the moments
 * see it.
 * @param gradient [P]
 * @param decayed [P]: 1 where weight decay applies, else 0
 * @param learningRate scalar tensor
 * @param corrections [2]: 1 - beta1^t and 1 - beta2^t for the t-th step
 */
export function adam(
  state: AdamState,
  gradient: tf.Tensor,
  decayed: tf.Tensor,
  learningRate: tf.Tensor,
  corrections: tf.Tensor,
  settings: Pick<OptimiserOf<'adam'>, 'beta1' | 'beta2' | 'weightDecay'>,
): AdamState {
  const total = withDecay(gradient, state.parameters, decayed, settings.weightDecay);
  const { m, v, direction } = adamMoments(state, total, corrections, settings);
  return { parameters: tf.sub(state.parameters, tf.mul(learningRate, direction)), m, v };
}
