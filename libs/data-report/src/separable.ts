/** Rows of a linear map along one axis; zeros are left out. */
export type AxisWeights = { from: Int32Array; weight: Float64Array }[];

/** Applies a linear map along one axis of a row-major array; `shape[axis]` becomes the number of its rows. */
export function alongAxis(
  values: Float32Array,
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

/** `edge` samples as `made`: averaged by the length of axis that each covers, or interpolated linearly where there are fewer. */
export function resampleWeights(edge: number, made: number): AxisWeights {
  const step = edge / made;
  return sparse(made, edge, (row, at) => {
    if (step < 1) {
      const place = Math.min(edge - 1, Math.max(0, (row + 0.5) * step - 0.5));
      return Math.max(0, 1 - Math.abs(place - at));
    }
    const covered = Math.min((row + 1) * step, at + 1) - Math.max(row * step, at);
    return Math.max(0, covered) / step;
  });
}

/** The first `count` basis vectors of the DCT-II over `edge` samples, of unit length, moved by `shift` samples; ends repeat. */
export function cosineWeights(edge: number, count: number, shift = 0): AxisWeights {
  return sparse(count, edge, (row, at) => {
    let sum = 0;
    for (let source = 0; source < edge; source += 1) {
      if (Math.min(edge - 1, Math.max(0, source + shift)) !== at) continue;
      sum += Math.cos((Math.PI * (source + 0.5) * row) / edge);
    }
    return sum * Math.sqrt((row === 0 ? 1 : 2) / edge);
  });
}

/** A Gaussian over `edge` samples, cut at two deviations; ends repeat. */
export function gaussianWeights(edge: number, sigma: number): AxisWeights {
  const reach = Math.ceil(2 * sigma);
  const tap = (offset: number) => Math.exp((-offset * offset) / (2 * sigma * sigma));
  let total = 0;
  for (let offset = -reach; offset <= reach; offset += 1) total += tap(offset);
  return sparse(edge, edge, (row, at) => {
    let sum = 0;
    for (let offset = -reach; offset <= reach; offset += 1) {
      if (Math.min(edge - 1, Math.max(0, row + offset)) === at) sum += tap(offset) / total;
    }
    return sum;
  });
}

function sparse(rows: number, columns: number, weightOf: (row: number, at: number) => number): AxisWeights {
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
