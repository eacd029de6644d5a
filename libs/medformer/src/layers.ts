/**
 * The layers every part is made of. Names of sizes: B batch, N tokens or latents, D width, H heads.
 * Each takes its parameters from `parameters` under the name `at`.
 */
import { tf } from '@medformer/tensorflow';
import type { Parameters } from './parameters.js';

const NORM_EPSILON = 1e-5;

/** x W + b over the last axis: [..., from] -> [..., to]. */
export function dense(parameters: Parameters, at: string, x: tf.Tensor, to: number): tf.Tensor {
  const from = x.shape[x.shape.length - 1]!;
  const weight = parameters.get(`${at}/weight`, [from, to]);
  const bias = parameters.get(`${at}/bias`, [to], 'zeros');
  const rows = tf.add(tf.matMul(tf.reshape(x, [-1, from]) as tf.Tensor2D, weight as tf.Tensor2D), bias);
  return x.shape.length === 2 ? rows : tf.reshape(rows, [...x.shape.slice(0, -1), to]);
}

/** Layer normalisation over the last axis (Ba et al. 2016, equation 4): [..., D] -> [..., D]. */
export function layerNorm(parameters: Parameters, at: string, x: tf.Tensor): tf.Tensor {
  const width = x.shape[x.shape.length - 1]!;
  const gain = parameters.get(`${at}/gain`, [width], 'ones');
  const bias = parameters.get(`${at}/bias`, [width], 'zeros');
  const centred = tf.sub(x, tf.mean(x, -1, true));
  const variance = tf.mean(tf.square(centred), -1, true);
  return tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(variance, NORM_EPSILON))), gain), bias);
}

/** Gaussian error linear unit, exact form (Hendrycks and Gimpel 2016): x Phi(x). */
export function gelu(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
}

/** Dense, GELU, dense: [..., D] -> [..., D]. */
export function mlp(parameters: Parameters, at: string, x: tf.Tensor, hidden: number): tf.Tensor {
  const width = x.shape[x.shape.length - 1]!;
  return dense(parameters, `${at}/contract`, gelu(dense(parameters, `${at}/expand`, x, hidden)), width);
}

/**
 * Multi-head scaled dot-product attention (Vaswani et al. 2017, section 3.2): queries [B, Nq, D] read
 * tokens [B, Nk, D'] -> [B, Nq, D], `bias` [H, Nq, Nk] or [B, H, Nq, Nk] added to the logits; and the attention weights [B, H, Nq, Nk] for inspection.
 */
export function attention(
  parameters: Parameters,
  at: string,
  queries: tf.Tensor,
  tokens: tf.Tensor,
  heads: number,
  bias?: tf.Tensor,
): { read: tf.Tensor; weights: tf.Tensor } {
  const [batch, queryCount, width] = queries.shape as [number, number, number];
  const tokenCount = tokens.shape[1]!;
  const perHead = width / heads;
  const split = (x: tf.Tensor, count: number) =>
    tf.transpose(tf.reshape(x, [batch, count, heads, perHead]), [0, 2, 1, 3]); // [B, H, N, D / H]
  const q = split(dense(parameters, `${at}/query`, queries, width), queryCount);
  const k = split(dense(parameters, `${at}/key`, tokens, width), tokenCount);
  const v = split(dense(parameters, `${at}/value`, tokens, width), tokenCount);
  const logits = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(perHead));
  const weights = tf.softmax(bias ? tf.add(logits, bias) : logits); // [B, H, Nq, Nk]
  const read = tf.reshape(tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]), [batch, queryCount, width]);
  return { read: dense(parameters, `${at}/out`, read, width), weights };
}
