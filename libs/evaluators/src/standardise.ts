import type { Matrix } from './matrix.js';

/** Per-column mean and population standard deviation (1 for a constant column, as scikit-learn's StandardScaler). */
export interface ColumnStatistics {
  mean: Float64Array;
  std: Float64Array;
}

export function columnStatistics({ rows, columns, data }: Matrix): ColumnStatistics {
  const mean = new Float64Array(columns);
  const std = new Float64Array(columns);
  for (let at = 0; at < rows * columns; at += 1) mean[at % columns]! += data[at]! / rows;
  for (let at = 0; at < rows * columns; at += 1)
    std[at % columns]! += (data[at]! - mean[at % columns]!) ** 2 / rows;
  for (let column = 0; column < columns; column += 1) {
    const deviation = Math.sqrt(std[column]!);
    // Below rounding noise of the mean a column is constant.
    std[column] = deviation > 1e-12 * Math.max(1, Math.abs(mean[column]!)) ? deviation : 1;
  }
  return { mean, std };
}

/** `(x - mean) / std` per column, in float64. */
export function standardise({ rows, columns, data }: Matrix, { mean, std }: ColumnStatistics): Matrix {
  const scaled = new Float64Array(rows * columns);
  for (let at = 0; at < scaled.length; at += 1) {
    scaled[at] = (data[at]! - mean[at % columns]!) / std[at % columns]!;
  }
  return { rows, columns, data: scaled };
}
