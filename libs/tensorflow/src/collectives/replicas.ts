import { tf } from '../tf.js';

/**
 * What the gradient of a sum over replicas is. `summed`: the sum of the replicas' gradients, right whatever each of them
 * makes of the sum. `alike`: every replica computes the same from it, so that the sum is this one's times their number: no
 * collective.
 */
export type SumGradient = 'summed' | 'alike';

/**
 * Processes that compute the same step over their own share of its batch. All call in the same order, with the same
 * shapes.
 *
 * The rule that makes gradients right: every replica's loss is its share, the mean of the shares is the loss of the whole
 * batch, and what flows back through a `sum` is summed. Then the mean of the replicas' gradients is the gradient of the
 * whole batch's loss, also of parameters that every replica computes with alike.
 */
export interface Replicas {
  readonly rank: number;
  readonly size: number;
  /** Elementwise sum of a float32 tensor over the replicas, on all of them bit for bit the same. */
  sum(x: tf.Tensor, gradient?: SumGradient): tf.Tensor;
  /** Elementwise mean over the replicas; without a gradient. */
  mean(x: tf.Tensor): tf.Tensor;
  /** Called before each computation, so that its collectives are the same ones as in the last of its kind. */
  restart(): void;
  /** Rank 0's values, exactly, on all. */
  fromFirst(values: Float64Array): Promise<Float64Array>;
  /**
   * Awaits work that ends only when the peers do their part.
   * @throws PeerLostError when a peer died, or none of them did its part in time
   */
  together<T>(work: () => Promise<T>): Promise<T>;
}

/** One process that computes all. */
export const ALONE: Replicas = {
  rank: 0,
  size: 1,
  sum: (x) => x,
  mean: (x) => x,
  restart: () => undefined,
  fromFirst: async (values) => values,
  together: (work) => work(),
};

/** An all-reduce with its gradient: see `SumGradient`. */
export function differentiableSum(
  x: tf.Tensor,
  allReduce: (x: tf.Tensor) => tf.Tensor,
  size: number,
  gradient: SumGradient,
): tf.Tensor {
  const op = tf.customGrad((...given: unknown[]) => ({
    value: allReduce(given[0] as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => [gradient === 'alike' ? tf.mul(dy, size) : allReduce(dy)],
  }));
  return op(x);
}
