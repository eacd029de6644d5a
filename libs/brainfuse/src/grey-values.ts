import type { FusionSource } from './fusion-source.js';

/**
 * An image as grey values in [0, 1]: as they are, or as stored numbers with the value that each stands for. Most of a
 * large source is in no fusion, and what is never read is never converted.
 */
export type GreyValues =
  | { pixels: Float32Array; table?: undefined }
  | { pixels: Uint8Array | Uint16Array; table: Float32Array };

/** The largest stored number of an image's type. */
export function whiteOf(pixels: Uint8Array | Uint16Array): number {
  return pixels instanceof Uint16Array ? 65_535 : 255;
}

/** The source's grey values after `map`, or as they are. */
export function greyValues(
  { pixels }: FusionSource,
  map: (value: number) => number = (value) => value,
): GreyValues {
  const white = whiteOf(pixels);
  if (pixels.length <= white) {
    const values = new Float32Array(pixels.length);
    for (let at = 0; at < values.length; at += 1) values[at] = map(pixels[at]! / white);
    return { pixels: values };
  }
  const table = new Float32Array(white + 1);
  for (let level = 0; level <= white; level += 1) table[level] = map(level / white);
  return { pixels, table };
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

export function valueAt({ pixels, table }: GreyValues, at: number): number {
  return table ? table[pixels[at]!]! : pixels[at]!;
}
