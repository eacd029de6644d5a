import type { Rng } from '@medformer/schema';
import { toBytes } from '../display.js';
import { gaussianBlur } from '../filter.js';

/** Adds the correlated noise of filtered back-projection, in place: standard deviation `noiseHu` after smoothing. */
export function addCtNoise(
  hounsfield: Float32Array,
  shape: readonly number[],
  noiseHu: number,
  rng: Rng,
): void {
  const noise = new Float32Array(hounsfield.length);
  for (let i = 0; i < noise.length; i += 1) noise[i] = rng.normal();
  const sigma = 0.55;
  gaussianBlur(
    noise,
    shape,
    shape.map((_, axis) => (axis < shape.length - 2 ? 0 : sigma)),
  );
  // In-plane smoothing of white noise divides its deviation by about this factor (measured for sigma 0.55).
  const kept = 0.56;
  for (let i = 0; i < noise.length; i += 1) hounsfield[i] = hounsfield[i]! + (noiseHu / kept) * noise[i]!;
}

/** 8-bit picture in a soft-tissue window whose level and width are the reader's own. */
export function showCt(hounsfield: Float32Array, rng: Rng): Uint8Array {
  const level = rng.uniform(20, 100);
  const width = 360 * 2 ** rng.uniform(0, 1.2);
  return toBytes(hounsfield, level - width / 2, level + width / 2);
}

/** Hounsfield units as a scanner stores them: int16 in -1024..3071. */
export function storeCt(hounsfield: Float32Array): Int16Array {
  return Int16Array.from(hounsfield, (value) => Math.round(Math.min(3071, Math.max(-1024, value))));
}
