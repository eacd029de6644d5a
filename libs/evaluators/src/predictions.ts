import type { Matrix } from './matrix.js';

/** The column of each row's largest score; of equal scores the first. `[rows]` */
export function argmax({ rows, columns, data }: Matrix): Int32Array {
  return Int32Array.from({ length: rows }, (_, row) => {
    let best = 0;
    for (let column = 1; column < columns; column += 1) {
      if (data[row * columns + column]! > data[row * columns + best]!) best = column;
    }
    return best;
  });
}

/**
 * Predicted classes, `[rows]`: the largest score, but for binary tasks 1 when the last column exceeds 0.5 strictly
 * (medmnist/evaluator.py, `getACC`).
 * @param scores `[images, classes]`; of binary tasks probabilities.
 */
export function predictedClasses(scores: Matrix, kind: 'multi-class' | 'ordinal' | 'binary'): Int32Array {
  if (kind !== 'binary') return argmax(scores);
  const { rows, columns, data } = scores;
  return Int32Array.from({ length: rows }, (_, row) => (data[row * columns + columns - 1]! > 0.5 ? 1 : 0));
}
