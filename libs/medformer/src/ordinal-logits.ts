import { tf } from '@medformer/tensorflow';
import { dense } from './layers.js';
import type { Parameters } from './parameters.js';

/**
 * A head for ordered classes by the cumulative logit model (McCullagh 1980, equation 2.5): one score f [B, 1] of h [B, D]
 * and ascending thresholds, P(class <= k) = sigmoid(threshold_k - f). Returns log P(class = k), [B, classes]: logits like
 * any other, whose softmax is P itself and whose cross entropy is the model's negative log-likelihood.
 */
export function ordinalLogits(parameters: Parameters, at: string, h: tf.Tensor, classes: number): tf.Tensor {
  const score = dense(parameters, at, h, 1); // the dense layer's bias moves all thresholds
  const steps = parameters.get(`${at}/thresholds`, [classes - 1], { values: evenThresholds(classes) });
  return classLogProbabilities(score, ascending(steps));
}

/** The first value, then steps that only go up: [n] -> [n]. */
function ascending(steps: tf.Tensor): tf.Tensor {
  const count = steps.shape[0]!;
  const first = tf.slice(steps, [0], [1]);
  if (count === 1) return first;
  const rises = tf.softplus(tf.slice(steps, [1], [count - 1]));
  const sum = Float32Array.from({ length: count * count }, (_, at) =>
    at % count >= Math.floor(at / count) ? 1 : 0,
  );
  const row = tf.reshape(tf.concat([first, rises]), [1, count]);
  return tf.reshape(tf.matMul(row, tf.tensor2d(sum, [count, count])), [count]);
}

/**
 * log P(class = k) [B, n + 1] of scores [B, 1] and ascending thresholds [n]. A difference of sigmoids is
 * sigmoid(a) sigmoid(-b) (1 - exp(b - a)), whose logarithm no far score takes to -infinity.
 */
export function classLogProbabilities(score: tf.Tensor, thresholds: tf.Tensor): tf.Tensor {
  const count = thresholds.shape[0]!;
  const from = tf.sub(tf.reshape(thresholds, [1, count]), score); // [B, n]
  const below = tf.neg(tf.softplus(tf.neg(from))); // log P(class <= k)
  const above = tf.neg(tf.softplus(from)); // log P(class > k)
  const column = (x: tf.Tensor, at: number, columns: number) => tf.slice(x, [0, at], [-1, columns]);
  const ends = [column(below, 0, 1), column(above, count - 1, 1)];
  if (count === 1) return tf.concat(ends, 1);
  const gaps = tf.sub(tf.slice(thresholds, [1], [count - 1]), tf.slice(thresholds, [0], [count - 1]));
  const between = tf.add(
    tf.add(column(below, 1, count - 1), column(above, 0, count - 1)),
    tf.log(tf.sub(1, tf.exp(tf.neg(gaps)))),
  );
  return tf.concat([ends[0]!, between, ends[1]!], 1);
}

/** Thresholds under which a score of 0 finds all classes equally likely, the later ones as what gives their rise. */
function evenThresholds(classes: number): Float32Array {
  const thresholds = Array.from({ length: classes - 1 }, (_, at) => Math.log((at + 1) / (classes - 1 - at)));
  return Float32Array.from(thresholds, (threshold, at) =>
    at === 0 ? threshold : Math.log(Math.expm1(threshold - thresholds[at - 1]!)),
  );
}
