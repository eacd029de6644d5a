import { alongAxis } from '@medformer/imaging/axis-weights';
import type { PixelType } from '@medformer/schema';
import { resampleWeights } from './separable.js';

/** Edge of the grid that all images are compared on; MedMNIST's own, so that its small images stay as they are. */
export const GRID_EDGE = 28;

/** Grey values in [0, 1] of an image made small, row-major. */
export interface ImageGrid {
  /** `[28, 28]` or `[28, 28, 28]` */
  shape: number[];
  values: Float32Array;
}

/**
 * An image as duplicates are looked for in it: the mean of its channels, each axis averaged down or interpolated up to 28
 * samples.
 * @param pixels row-major, channels last
 * @param shape `[height, width, channels]` or `[depth, height, width, channels]`
 */
export function imageGrid(
  pixels: Uint8Array | Uint16Array,
  shape: readonly number[],
  pixelType: PixelType,
): ImageGrid {
  const made = shape.slice(0, -1);
  let values = grey(pixels, shape.at(-1)!, pixelType === 'uint16' ? 65_535 : 255);
  for (const [axis, edge] of made.entries()) {
    if (edge === GRID_EDGE) continue;
    values = alongAxis(values, made, axis, resampleWeights(edge, GRID_EDGE));
    made[axis] = GRID_EDGE;
  }
  return { shape: made, values };
}

function grey(pixels: Uint8Array | Uint16Array, channels: number, top: number): Float32Array {
  const values = new Float32Array(pixels.length / channels);
  const scale = 1 / (top * channels);
  for (let at = 0; at < values.length; at += 1) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel += 1) sum += pixels[at * channels + channel]!;
    values[at] = sum * scale;
  }
  return values;
}
