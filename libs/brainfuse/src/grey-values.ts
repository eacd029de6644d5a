import type { FusionSource } from './fusion-source.js';
import { matchQuantiles, matchTable } from './match-histogram.js';

/**
 * An image as grey values in [0, 1]: as they are, or as stored numbers with the value that each stands for. Most of a
 * large source is in no fusion, and what is never read is never converted.
 */
export type GreyValues =
  | { pixels: Float32Array; table?: undefined }
  | { pixels: Uint8Array | Uint16Array; table: Float32Array };

/** The largest stored number of an image's type. */
export function whiteOf(pixels: Uint8Array | Uint16Array): 255 | 65535 {
  return pixels instanceof Uint16Array ? 65_535 : 255;
}

/** Smaller images are converted as they are: a table of 65,536 numbers would cost more. */
const TABLED = 16_384;

/** What stored numbers stand for. Loops: `from` with a function takes ten times as long. */
const UNIT_TABLES = { 255: unitTable(255), 65535: unitTable(65_535) };

/** The source's grey values; with their quantiles `from` brought to `to`, where these are given. */
export function greyValues({ pixels }: FusionSource, from?: Float32Array, to?: Float32Array): GreyValues {
  const white = whiteOf(pixels);
  if (white > 255 && pixels.length < TABLED) {
    const map = from && to ? matchQuantiles(from, to) : (value: number) => value;
    const values = new Float32Array(pixels.length);
    for (let at = 0; at < values.length; at += 1) values[at] = map(pixels[at]! / white);
    return { pixels: values };
  }
  return { pixels, table: from && to ? matchTable(from, to, white) : UNIT_TABLES[white] };
}

function unitTable(white: number): Float32Array {
  const table = new Float32Array(white + 1);
  for (let level = 0; level <= white; level += 1) table[level] = level / white;
  return table;
}

/** All of the values, float32. */
export function allValues({ pixels, table }: GreyValues): Float32Array {
  if (!table) return pixels;
  const values = new Float32Array(pixels.length);
  for (let at = 0; at < values.length; at += 1) values[at] = table[pixels[at]!]!;
  return values;
}

/** Copies the values from `from` to `to` (not included) to the same places of `out`. */
export function copyValues({ pixels, table }: GreyValues, from: number, to: number, out: Float32Array): void {
  if (!table) {
    for (let at = from; at < to; at += 1) out[at] = pixels[at]!;
    return;
  }
  for (let at = from; at < to; at += 1) out[at] = table[pixels[at]!]!;
}

/** Adds weight times value to the voxels from `from` on; weights stand `stride` apart, the first at `offset`. Returns their sum. */
export function addWeighted(
  { pixels, table }: GreyValues,
  weights: Float64Array,
  {
    from,
    to,
    offset,
    stride,
    channels,
  }: { from: number; to: number; offset: number; stride: number; channels: number },
  out: Float32Array,
): number {
  let sum = 0;
  for (let voxel = from, at = offset; voxel < to; voxel += 1, at += stride) {
    const weight = weights[at]!;
    sum += weight;
    for (let value = voxel * channels; value < (voxel + 1) * channels; value += 1)
      out[value]! += weight * (table ? table[pixels[value]!]! : pixels[value]!);
  }
  return sum;
}
