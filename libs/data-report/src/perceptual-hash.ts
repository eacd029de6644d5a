import { type AxisWeights, alongAxis } from '@medformer/imaging/axis-weights';
import type { ImageGrid } from './image-grid.js';
import { cosineWeights } from './separable.js';

/** Lowest frequencies per axis: 8 x 8 of an image, 4 x 4 x 4 of a volume, 64 in both. */
const FREQUENCIES = { 2: 8, 3: 4 } as const;

/** Shifts along each axis that a hash is taken at, in samples of the grid; unshifted first. */
const STEPS = [0, -1, 1] as const;

/**
 * The perceptual hash of an image, and what it would be if the image were moved by up to one sample along each axis.
 * Bit i says whether the i-th lowest coefficient of the cosine transform lies above the median of all but the first
 * (the DCT hash of Zauner 2010, in two and in three dimensions).
 * @returns two 32-bit words per shift: `[2 * 9]` of an image, `[2 * 27]` of a volume, unshifted first
 */
export function perceptualHashes({ shape, values }: ImageGrid): Uint32Array {
  const axes = shape.length as 2 | 3;
  const projected: Float32Array[] = [];
  const project = (part: Float32Array, partShape: number[], axis: number) => {
    if (axis === axes) return void projected.push(part);
    for (const step of STEPS) {
      const rows = cosines(shape[axis]!, FREQUENCIES[axes], step);
      project(alongAxis(part, partShape, axis, rows), partShape.with(axis, rows.length), axis + 1);
    }
  };
  project(values, [...shape], 0);
  const words = new Uint32Array(2 * projected.length);
  for (const [at, coefficients] of projected.entries()) {
    const median = medianOf(coefficients.slice(1));
    for (const [bit, coefficient] of coefficients.entries()) {
      if (coefficient > median) words[2 * at + (bit >> 5)]! |= 1 << (bit & 31);
    }
  }
  return words;
}

/** The shift of the hash at this position among an image's hashes, one step per axis. */
export function shiftOf(position: number, axes: number): number[] {
  return Array.from({ length: axes }, (_, axis) => STEPS[Math.floor(position / 3 ** (axes - 1 - axis)) % 3]!);
}

const known = new Map<string, AxisWeights>();

function cosines(edge: number, count: number, shift: number): AxisWeights {
  const key = `${edge} ${count} ${shift}`;
  const rows = known.get(key) ?? cosineWeights(edge, count, shift);
  known.set(key, rows);
  return rows;
}

function medianOf(values: Float32Array): number {
  const sorted = values.toSorted();
  return sorted[sorted.length >> 1]!;
}
