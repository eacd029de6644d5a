import { MedformerError } from '@medformer/schema';
import { lbfgs } from './lbfgs.js';
import type { Matrix } from './matrix.js';

export interface LogisticOptions {
  classes: number;
  /** Inverse strength of the L2 penalty, as scikit-learn's `C`. */
  c: number;
  /** Stop when no component of the mean gradient exceeds this. */
  tolerance?: number;
  maxIterations?: number;
  /** Weights to start from, e.g. those of a neighbouring `c`. */
  start?: Float64Array;
}

/** `[columns + 1, classes]`, row-major; the last row holds the intercepts. */
export type LogisticWeights = Float64Array;

/**
 * Multinomial logistic regression with an L2 penalty on all but the intercepts: the minimiser of
 * `sum(cross entropy) + |W|^2 / (2 c)`, scikit-learn's `LogisticRegression(C=c)` with the lbfgs solver. Two classes
 * share one weight vector there, which is the same as twice the penalty here.
 * @param features `[rows, columns]`, standardised
 * @param labels class index per row
 */
export function fitLogistic(
  features: Matrix,
  labels: ArrayLike<number>,
  { classes, c, tolerance = 1e-6, maxIterations = 1000, start }: LogisticOptions,
): LogisticWeights {
  const { rows, columns, data } = features;
  if (rows === 0 || rows !== labels.length) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `logistic regression: expected one label per row, found ${labels.length} for ${rows} rows`,
    );
  }
  const penalty = (classes === 2 ? 2 : 1) / (c * rows);
  const penalised = columns * classes;
  const probabilities = new Float64Array(classes);

  const objective = (weights: Float64Array, gradient: Float64Array): number => {
    let loss = 0;
    for (let row = 0; row < rows; row += 1) {
      const at = row * columns;
      logits(data, at, columns, weights, classes, probabilities);
      const label = labels[row]!;
      const labelLogit = probabilities[label]!;
      loss += (softmaxInPlace(probabilities) - labelLogit) / rows;
      probabilities[label]! -= 1;
      for (let column = 0; column < columns; column += 1) {
        const scaled = data[at + column]! / rows;
        const weightAt = column * classes;
        for (let k = 0; k < classes; k += 1) gradient[weightAt + k]! += scaled * probabilities[k]!;
      }
      for (let k = 0; k < classes; k += 1) gradient[penalised + k]! += probabilities[k]! / rows;
    }
    for (let at = 0; at < penalised; at += 1) {
      loss += (penalty / 2) * weights[at]! ** 2;
      gradient[at]! += penalty * weights[at]!;
    }
    return loss;
  };
  return lbfgs(objective, start ?? new Float64Array((columns + 1) * classes), { tolerance, maxIterations });
}

/** Class probabilities, `[rows, classes]`. */
export function predictLogistic({ rows, columns, data }: Matrix, weights: LogisticWeights): Matrix {
  const classes = weights.length / (columns + 1);
  const probabilities = new Float64Array(rows * classes);
  for (let row = 0; row < rows; row += 1) {
    const out = probabilities.subarray(row * classes, (row + 1) * classes);
    logits(data, row * columns, columns, weights, classes, out);
    softmaxInPlace(out);
  }
  return { rows, columns: classes, data: probabilities };
}

function logits(
  data: Float32Array | Float64Array,
  at: number,
  columns: number,
  weights: Float64Array,
  classes: number,
  out: Float64Array,
): void {
  for (let k = 0; k < classes; k += 1) out[k] = weights[columns * classes + k]!;
  for (let column = 0; column < columns; column += 1) {
    const value = data[at + column]!;
    const weightAt = column * classes;
    for (let k = 0; k < classes; k += 1) out[k]! += value * weights[weightAt + k]!;
  }
}

/** Turns logits into probabilities and returns the log of the sum of their exponentials. */
function softmaxInPlace(values: Float64Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < values.length; k += 1) most = Math.max(most, values[k]!);
  let sum = 0;
  for (let k = 0; k < values.length; k += 1) {
    values[k] = Math.exp(values[k]! - most);
    sum += values[k]!;
  }
  for (let k = 0; k < values.length; k += 1) values[k]! /= sum;
  return most + Math.log(sum);
}
