/** Rows of a linear map along one axis; zeros are left out. */
export type AxisWeights = { from: Int32Array; weight: Float64Array }[];

/** Applies a linear map along one axis of a row-major array; `shape[axis]` becomes the number of its rows. */
export function alongAxis(
  values: ArrayLike<number>,
  shape: readonly number[],
  axis: number,
  rows: AxisWeights,
): Float32Array {
  const before = shape.slice(0, axis).reduce((product, edge) => product * edge, 1);
  const after = shape.slice(axis + 1).reduce((product, edge) => product * edge, 1);
  const edge = shape[axis]!;
  const out = new Float32Array(before * rows.length * after);
  for (let block = 0; block < before; block += 1) {
    for (const [row, { from, weight }] of rows.entries()) {
      const to = (block * rows.length + row) * after;
      for (let tap = 0; tap < from.length; tap += 1) {
        const source = (block * edge + from[tap]!) * after;
        const factor = weight[tap]!;
        for (let at = 0; at < after; at += 1) out[to + at]! += factor * values[source + at]!;
      }
    }
  }
  return out;
}

/** The map whose entry at (row, column) `weightOf` gives. */
export function axisWeights(
  rows: number,
  columns: number,
  weightOf: (row: number, at: number) => number,
): AxisWeights {
  return Array.from({ length: rows }, (_, row) => {
    const from: number[] = [];
    const weight: number[] = [];
    for (let at = 0; at < columns; at += 1) {
      const value = weightOf(row, at);
      if (value === 0) continue;
      from.push(at);
      weight.push(value);
    }
    return { from: Int32Array.from(from), weight: Float64Array.from(weight) };
  });
}

/**
 * Linear interpolation from `from` to `to` samples over the same length, anti-aliased where they become fewer: a triangle
 * as wide as the larger of both samples, every row summing to 1 (PyTorch's `interpolate` with `antialias`).
 */
export function triangleWeights(from: number, to: number): AxisWeights {
  const scale = from / to;
  const reach = Math.max(1, scale);
  const rows = axisWeights(to, from, (row, at) =>
    Math.max(0, 1 - Math.abs(at + 0.5 - (row + 0.5) * scale) / reach),
  );
  for (const { weight } of rows) {
    const total = weight.reduce((sum, each) => sum + each, 0);
    for (let tap = 0; tap < weight.length; tap += 1) weight[tap]! /= total;
  }
  return rows;
}
