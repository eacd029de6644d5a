/**
 * The layers every part is made of. Names of sizes: B batch, N tokens or latents, D width, H heads.
 * Each takes its parameters from `parameters` under the name `at`.
 */
import { affine, erfGate, standardiseRows, tf } from '@medformer/tensorflow';
import type { Parameters } from './parameters.js';

const NORM_EPSILON = 1e-5;

/**
 * Rows [..., D] standardised by a layer normalisation whose gain and bias [D] are not applied yet: a dense layer that
 * reads them takes both into its own weights, which is the same and spares four passes over the rows.
 */
export interface Normed {
  standardised: tf.Tensor;
  gain: tf.Tensor;
  bias: tf.Tensor;
}

/** Is told of an attention layer, by its name, and its weights [B, H, Nq, Nk]. */
export type WatchAttention = (layer: string, weights: tf.Tensor) => void;

/** x W + b over the last axis, times `scale`: [..., from] -> [..., to]. */
export function dense(
  parameters: Parameters,
  at: string,
  x: tf.Tensor | Normed,
  to: number,
  scale = 1,
): tf.Tensor {
  const rows = x instanceof tf.Tensor ? x : x.standardised;
  const from = rows.shape.at(-1)!;
  const { weight, bias } = denseWeights(parameters, at, x, to, scale);
  const y = affine(tf.reshape(rows, [-1, from]), weight, bias, parameters.precision);
  return rows.shape.length === 2 ? y : tf.reshape(y, [...rows.shape.slice(0, -1), to]);
}

/** Layer normalisation over the last axis (Ba et al. 2016, equation 4): [..., D] -> [..., D]. */
export function layerNorm(parameters: Parameters, at: string, x: tf.Tensor): tf.Tensor {
  return applied(normalise(parameters, at, x));
}

/** Layer normalisation for dense layers to read. */
export function normalise(parameters: Parameters, at: string, x: tf.Tensor): Normed {
  const width = x.shape.at(-1)!;
  return {
    standardised: standardiseRows(x, NORM_EPSILON),
    gain: parameters.get(`${at}/gain`, [width], 'ones'),
    bias: parameters.get(`${at}/bias`, [width], 'zeros'),
  };
}

/** The normalised rows themselves. */
export function applied({ standardised, gain, bias }: Normed): tf.Tensor {
  return tf.add(tf.mul(standardised, gain), bias);
}

/** Gaussian error linear unit, exact form (Hendrycks and Gimpel 2016): x Phi(x). */
export function gelu(x: tf.Tensor): tf.Tensor {
  return tf.mul(erfGate(tf.mul(x, Math.SQRT1_2)), Math.SQRT1_2);
}

/** Dense, GELU, dense: [..., D] -> [..., D]. GELU's two factors are taken up by the dense layers' weights. */
export function mlp(parameters: Parameters, at: string, x: tf.Tensor | Normed, hidden: number): tf.Tensor {
  const width = (x instanceof tf.Tensor ? x : x.standardised).shape.at(-1)!;
  const expanded = dense(parameters, `${at}/expand`, x, hidden, Math.SQRT1_2);
  const { weight, bias } = denseWeights(parameters, `${at}/contract`, expanded, width, 1);
  const gated = tf.reshape(erfGate(expanded), [-1, hidden]);
  const rows = affine(gated, tf.mul(weight, Math.SQRT1_2), bias, parameters.precision);
  return tf.reshape(rows, [...expanded.shape.slice(0, -1), width]);
}

/**
 * Multi-head scaled dot-product attention (Vaswani et al. 2017, section 3.2): queries [B, Nq, D] read
 * tokens [B, Nk, D'] -> [B, Nq, D], `bias` [H, Nq, Nk] or [B, H, Nq, Nk] added to the logits; and the attention weights
 * [B, H, Nq, Nk] for inspection. Queries that are the same for all images may be [1, Nq, D], which costs less.
 */
export function attention(
  parameters: Parameters,
  at: string,
  queries: tf.Tensor | Normed,
  tokens: tf.Tensor | Normed,
  heads: number,
  bias?: tf.Tensor,
): { read: tf.Tensor; weights: tf.Tensor } {
  const [, queryCount, width] = shapeOf(queries);
  const [batch, tokenCount] = shapeOf(tokens);
  const perHead = width / heads;
  const split = (x: tf.Tensor, count: number) =>
    tf.transpose(tf.reshape(x, [-1, count, heads, perHead]), [0, 2, 1, 3]); // [B, H, N, D / H]
  const q = split(dense(parameters, `${at}/query`, queries, width, 1 / Math.sqrt(perHead)), queryCount);
  const logits =
    shapeOf(queries)[0] === 1
      ? sharedQueryLogits(parameters, `${at}/key`, q, tokens)
      : tf.matMul(q, split(dense(parameters, `${at}/key`, tokens, width), tokenCount), false, true);
  const weights = tf.softmax(bias ? tf.add(logits, bias) : logits); // [B, H, Nq, Nk]
  const read =
    queryCount === 1
      ? singleQueryRead(parameters, `${at}/value`, weights, tokens, width)
      : tf.transpose(
          tf.matMul(weights, split(dense(parameters, `${at}/value`, tokens, width), tokenCount)),
          [0, 2, 1, 3],
        );
  return {
    read: dense(parameters, `${at}/out`, tf.reshape(read, [batch, queryCount, width]), width),
    weights,
  };
}

/**
 * Logits [B, H, Nq, Nk] of queries [1, H, Nq, D / H] that all images share: q (t K)' = t (K q'), so that the keys of
 * the tokens are never made.
 */
function sharedQueryLogits(
  parameters: Parameters,
  at: string,
  q: tf.Tensor,
  tokens: tf.Tensor | Normed,
): tf.Tensor {
  const [, heads, queryCount, perHead] = q.shape as [number, number, number, number];
  const [batch, tokenCount, from] = shapeOf(tokens);
  const { weight, bias } = denseWeights(parameters, at, tokens, heads * perHead, 1);
  const perHeadKey = tf.transpose(tf.reshape(weight, [from, heads, perHead]), [1, 0, 2]); // [H, D', D / H]
  const asked = tf.reshape(q, [heads, queryCount, perHead]);
  const reader = tf.reshape(tf.transpose(tf.matMul(perHeadKey, asked, false, true), [1, 0, 2]), [from, -1]); // [D', H Nq]
  const offset = tf.matMul(asked, tf.reshape(bias, [heads, perHead, 1])); // [H, Nq, 1]
  const rows = tf.reshape(tokens instanceof tf.Tensor ? tokens : tokens.standardised, [-1, from]);
  const logits = affine(rows, reader, tf.reshape(offset, [-1]), parameters.precision); // [B Nk, H Nq]
  const byQuery = tf.transpose(tf.reshape(logits, [batch, tokenCount, heads * queryCount]), [0, 2, 1]);
  return tf.reshape(byQuery, [batch, heads, queryCount, tokenCount]);
}

/**
 * What one query reads with weights [B, H, 1, Nk], [B, 1, H, D / H]: w (t V) = (w t) V, so that the values of the
 * tokens are never made.
 */
function singleQueryRead(
  parameters: Parameters,
  at: string,
  weights: tf.Tensor,
  tokens: tf.Tensor | Normed,
  width: number,
): tf.Tensor {
  const [batch, heads, , tokenCount] = weights.shape as [number, number, number, number];
  const from = shapeOf(tokens)[2];
  const { weight, bias } = denseWeights(parameters, at, tokens, width, 1);
  const rows = tokens instanceof tf.Tensor ? tokens : tokens.standardised;
  const pooled = tf.matMul(tf.reshape(weights, [batch, heads, tokenCount]), rows); // [B, H, D']
  const perHeadValue = tf.transpose(tf.reshape(weight, [from, heads, width / heads]), [1, 0, 2]); // [H, D', D / H]
  const read = tf.matMul(tf.transpose(pooled, [1, 0, 2]), perHeadValue); // [H, B, D / H]
  // The weights sum to 1: so does what they weigh of the bias.
  return tf.add(tf.reshape(tf.transpose(read, [1, 0, 2]), [batch, 1, width]), bias);
}

/** Weight [from, to] and bias [to] of a dense layer, with what `dense` takes into them. */
function denseWeights(
  parameters: Parameters,
  at: string,
  x: tf.Tensor | Normed,
  to: number,
  scale: number,
): { weight: tf.Tensor2D; bias: tf.Tensor } {
  const from = (x instanceof tf.Tensor ? x : x.standardised).shape.at(-1)!;
  let weight = parameters.get(`${at}/weight`, [from, to]) as tf.Tensor2D;
  let bias = parameters.get(`${at}/bias`, [to], 'zeros');
  if (!(x instanceof tf.Tensor)) {
    bias = tf.add(tf.reshape(tf.matMul(tf.reshape(x.bias, [1, from]) as tf.Tensor2D, weight), [to]), bias);
    weight = tf.mul(weight, tf.reshape(x.gain, [from, 1]));
  }
  return scale === 1 ? { weight, bias } : { weight: tf.mul(weight, scale), bias: tf.mul(bias, scale) };
}

function shapeOf(x: tf.Tensor | Normed): [number, number, number] {
  return (x instanceof tf.Tensor ? x : x.standardised).shape as [number, number, number];
}
