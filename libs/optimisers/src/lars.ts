import type { OptimiserOf } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import type { MomentumState } from './sgd.js';
import { withDecay } from './with-decay.js';

/** Each tensor in the flat vectors, in their order. */
export interface Segments {
  sizes: readonly number[];
  /** Whether the tensor's rate follows from its norm; biases and gains, which have one axis, do without. */
  adapted: readonly boolean[];
}

/**
 * LARS (You et al. 2017): gradient descent with momentum, each tensor's direction scaled by the ratio of norms that
 * `convention` names. Weight decay is part of that direction.
 * @param gradient [P]
 * @param decayed [P]: 1 where weight decay applies, else 0
 * @param learningRate scalar tensor
 */
export function lars(
  state: MomentumState,
  gradient: tf.Tensor,
  decayed: tf.Tensor,
  learningRate: tf.Tensor,
  segments: Segments,
  spec: Pick<OptimiserOf<'lars'>, 'momentum' | 'weightDecay' | 'trust' | 'convention' | 'unadaptedRate'>,
): MomentumState {
  const { convention } = spec;
  const adapted = convention === 'lightly' ? lightly : barlowTwins;
  const direction = adapted(state.parameters, gradient, decayed, segments, spec);
  const momentum = tf.add(tf.mul(state.momentum, spec.momentum), direction);
  return { parameters: tf.sub(state.parameters, tf.mul(learningRate, momentum)), momentum };
}

type Convention = (
  parameters: tf.Tensor,
  gradient: tf.Tensor,
  decayed: tf.Tensor,
  segments: Segments,
  spec: Pick<OptimiserOf<'lars'>, 'weightDecay' | 'trust' | 'unadaptedRate'>,
) => tf.Tensor;

/** facebookresearch/barlowtwins, class LARS: the ratio is by the norm of what is stepped along, decay included. */
const barlowTwins: Convention = (parameters, gradient, decayed, segments, spec) => {
  const total = withDecay(gradient, parameters, decayed, spec.weightDecay);
  const lengths = norms(parameters, segments);
  const updates = norms(total, segments);
  const ratio = tf.div(tf.mul(lengths, spec.trust), orOne(updates));
  return tf.mul(
    total,
    repeat(tf.where(bothPositive(lengths, updates), ratio, tf.onesLike(ratio)), segments, spec),
  );
};

/** lightly/utils/lars.py: the ratio is by the sum of the norms of gradient and decay. */
const lightly: Convention = (parameters, gradient, decayed, segments, spec) => {
  const lengths = norms(parameters, segments);
  const gradients = norms(gradient, segments);
  const moves = bothPositive(lengths, gradients);
  const sum = tf.add(tf.add(gradients, tf.mul(lengths, spec.weightDecay)), 1e-8);
  const ratio = tf.where(moves, tf.div(tf.mul(lengths, spec.trust), sum), tf.onesLike(sum));
  // A tensor whose norm or gradient is 0 is not decayed either.
  const total = withDecay(
    gradient,
    parameters,
    tf.mul(decayed, repeat(tf.cast(moves, 'float32'), segments)),
    spec.weightDecay,
  );
  return tf.mul(total, repeat(ratio, segments, spec));
};

/** L2 norm of every adapted tensor of a vector [P]; as many ops as tensors, yet far faster than a segment sum. */
function norms(vector: tf.Tensor, { sizes, adapted }: Segments): tf.Tensor {
  const parts = tf.split(tf.square(vector), [...sizes]).filter((_, index) => adapted[index]);
  return tf.sqrt(tf.stack(parts.map((part) => tf.sum(part))));
}

/** A value per adapted tensor over its elements, `unadaptedRate` (or 1) over the others: [P]. */
function repeat(
  values: tf.Tensor,
  { sizes, adapted }: Segments,
  { unadaptedRate }: { unadaptedRate: number } = { unadaptedRate: 1 },
): tf.Tensor {
  const each = tf.split(values, values.size);
  let next = 0;
  return tf.concat(
    sizes.map((size, index) =>
      adapted[index] ? tf.tile(each[next++]!, [size]) : tf.fill([size], unadaptedRate),
    ),
  );
}

const bothPositive = (x: tf.Tensor, y: tf.Tensor) => tf.logicalAnd(tf.greater(x, 0), tf.greater(y, 0));

/** Keeps a division by 0, whose result is not used, out of the graph. */
const orOne = (norm: tf.Tensor) => tf.where(tf.greater(norm, 0), norm, tf.onesLike(norm));
