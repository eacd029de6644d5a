import type { Similarity } from '@medformer/schema';

/** An image that similarities are computed from. */
export interface ComparedImage {
  /** Position of its group. */
  group: number;
  /** Images of one subject are not compared with each other. */
  subject: string;
  /** Only vectors of equal length are compared. */
  vector: Float32Array;
}

/** Less its mean, of unit length: then a scalar product is Pearson's correlation. A constant gives zeros. */
export function standardised(values: ArrayLike<number>): Float32Array {
  let sum = 0;
  for (let at = 0; at < values.length; at += 1) sum += values[at]!;
  const mean = sum / values.length;
  return unit(Float32Array.from(values, (value) => value - mean));
}

/** Embeddings less their common mean, of unit length: many encoders put all images into one narrow cone. */
export function centred(rows: readonly ArrayLike<number>[]): Float32Array[] {
  const mean = new Float64Array(rows[0]?.length ?? 0);
  for (const row of rows) for (let at = 0; at < mean.length; at += 1) mean[at]! += row[at]! / rows.length;
  return rows.map((row) => unit(Float32Array.from(row, (value, at) => value - mean[at]!)));
}

export function product(x: Float32Array, y: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < x.length; at += 1) sum += x[at]! * y[at]!;
  return sum;
}

/** Mean scalar product over all pairs of images of different subjects, by the groups of both. */
export function similarityOf(images: readonly ComparedImage[], groups: number): Similarity {
  const sums = Array.from({ length: groups }, () => new Float64Array(groups));
  const pairs = Array.from({ length: groups }, () => new Float64Array(groups));
  for (const [at, x] of images.entries()) {
    for (let other = at + 1; other < images.length; other += 1) {
      const y = images[other]!;
      if (x.subject === y.subject || x.vector.length !== y.vector.length) continue;
      const [low, high] = x.group < y.group ? [x.group, y.group] : [y.group, x.group];
      sums[low]![high]! += product(x.vector, y.vector);
      pairs[low]![high]! += 1;
    }
  }
  const meanAt = (row: number, column: number): number | null => {
    const [low, high] = row < column ? [row, column] : [column, row];
    const count = pairs[low]![high]!;
    return count === 0 ? null : rounded(sums[low]![high]! / count);
  };
  const all = [...Array(groups).keys()];
  const means = all.map((row) => all.map((column) => meanAt(row, column)));
  return {
    means,
    within: meanOf(all.map((row) => means[row]![row]!)),
    between: meanOf(all.flatMap((row) => means[row]!.filter((_, column) => column > row))),
  };
}

function unit(values: Float32Array): Float32Array {
  const length = Math.sqrt(product(values, values));
  return length === 0 ? values : values.map((value) => value / length);
}

function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : rounded(known.reduce((sum, value) => sum + value, 0) / known.length);
}

/** Four digits: more are noise of the draw, and make the record long. */
function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
