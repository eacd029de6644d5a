import { MedformerError } from '@medformer/schema';
import type { Matrix } from './matrix.js';

export interface KnnOptions {
  /** Neighbours that vote; at most the number of training rows do. */
  k?: number;
  /** Softness of the votes: each weighs exp(cosine similarity / temperature). */
  temperature?: number;
}

/**
 * Weighted k-nearest-neighbour scores, `[test rows, outputs]`: the weighted mean of the nearest targets, of one-hot targets
 * a row summing to 1 (Wu et al. 2018, eq. 11-12, as in DINO's eval_knn.py and lightly's `knn_predict`; those leave the votes
 * unnormalised, with the same order).
 *
 * Similarity is the cosine of the rows; of equally similar neighbours the earlier training row counts as nearer.
 * @param train `[train rows, width]`, not necessarily normalised
 * @param targets `[train rows, outputs]`: classes one-hot, or the flags of a multi-label task
 * @param test `[test rows, width]`
 */
export function weightedVotes(
  train: Matrix,
  targets: Matrix,
  test: Matrix,
  { k = 20, temperature = 0.07 }: KnnOptions = {},
): Matrix {
  if (train.rows === 0 || train.rows !== targets.rows || train.columns !== test.columns) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `kNN: train [${train.rows}, ${train.columns}] with ${targets.rows} labels against test [${test.rows}, ${test.columns}]`,
    );
  }
  const neighbours = Math.min(k, train.rows);
  const bank = normalisedRows(train);
  const queries = normalisedRows(test);
  const outputs = targets.columns;
  const scores = new Float64Array(test.rows * outputs);
  const nearest = new Int32Array(neighbours);
  const similarities = new Float64Array(neighbours);
  for (let query = 0; query < test.rows; query += 1) {
    similarities.fill(Number.NEGATIVE_INFINITY);
    for (let row = 0; row < train.rows; row += 1) {
      const similarity = dot(queries, query, bank, row, train.columns);
      if (similarity <= similarities[neighbours - 1]!) continue;
      let at = neighbours - 1;
      for (; at > 0 && similarities[at - 1]! < similarity; at -= 1) {
        similarities[at] = similarities[at - 1]!;
        nearest[at] = nearest[at - 1]!;
      }
      similarities[at] = similarity;
      nearest[at] = row;
    }
    // Relative to the nearest, so that no temperature overflows.
    let total = 0;
    for (let at = 0; at < neighbours; at += 1) {
      const vote = Math.exp((similarities[at]! - similarities[0]!) / temperature);
      const target = nearest[at]! * outputs;
      for (let output = 0; output < outputs; output += 1)
        scores[query * outputs + output]! += vote * targets.data[target + output]!;
      total += vote;
    }
    for (let output = 0; output < outputs; output += 1) scores[query * outputs + output]! /= total;
  }
  return { rows: test.rows, columns: outputs, data: scores };
}

/** Rows scaled to unit length; a zero row stays zero. */
export function normalisedRows({ rows, columns, data }: Matrix): Float64Array {
  const unit = Float64Array.from(data);
  for (let row = 0; row < rows; row += 1) {
    const length = Math.sqrt(dot(unit, row, unit, row, columns));
    if (length === 0) continue;
    for (let at = row * columns; at < (row + 1) * columns; at += 1) unit[at]! /= length;
  }
  return unit;
}

function dot(x: Float64Array, xRow: number, y: Float64Array, yRow: number, width: number): number {
  const xAt = xRow * width;
  const yAt = yRow * width;
  let sum = 0;
  for (let at = 0; at < width; at += 1) sum += x[xAt + at]! * y[yAt + at]!;
  return sum;
}
