import { Rng } from '@medformer/schema';
import { clamp01 } from './clamp.js';

/** Power of two. */
const LENGTH = 65_536;

/** Normal numbers of variance 1/2, made at the first noise. */
let table: Float32Array | undefined;

/**
 * Adds Gaussian noise of this standard deviation and cuts off at 0 and 1; equal seeds give equal noise.
 *
 * A row of the noise is the sum of two stretches of one table of normal numbers, from two places drawn for the row: of
 * four billion pairs, and some thirty times as fast as drawing every number.
 * @param rowLength numbers that share a pair of places
 */
export function addNoise(values: Float32Array, rowLength: number, sigma: number, seed: number): void {
  table ??= normalTable();
  const normal = table;
  const rng = Rng.of('view-noise', seed);
  for (let start = 0; start < values.length; start += rowLength) {
    const end = Math.min(values.length, start + rowLength);
    for (let from = start; from < end; from += LENGTH) {
      const to = Math.min(end, from + LENGTH);
      const first = (rng.uint32() & (LENGTH - 1)) - from;
      const second = (rng.uint32() & (LENGTH - 1)) - from;
      for (let at = from; at < to; at += 1) {
        values[at] = clamp01(values[at]! + sigma * (normal[first + at]! + normal[second + at]!));
      }
    }
  }
}

/** Twice the same, so that a stretch of any length up to LENGTH may begin anywhere. */
function normalTable(): Float32Array {
  const rng = Rng.of('view-noise');
  const numbers = new Float32Array(2 * LENGTH);
  for (let at = 0; at < LENGTH; at += 1) numbers[at] = numbers[at + LENGTH] = rng.normal(0, Math.SQRT1_2);
  return numbers;
}
