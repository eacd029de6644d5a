import { MedformerError } from '@medformer/schema';

/**
 * Writes pixels as float32 in [0, 1]: integers over their whole range, floats as they are.
 * @throws MedformerError INVALID_ARGUMENT naming the first float that is no number in [0, 1]
 */
export function writePixels(pixels: Uint8Array | Uint16Array | Float32Array, to: Float32Array): void {
  if (pixels instanceof Float32Array) {
    // Plain loops: these run for every value of every image, and `from` with a function takes ten times as long.
    for (let at = 0; at < pixels.length; at += 1) {
      const value = pixels[at]!;
      if (!(value >= 0 && value <= 1)) {
        throw new MedformerError(
          'INVALID_ARGUMENT',
          `image: pixel ${at}: expected a number in [0, 1], found ${value}`,
        );
      }
    }
    to.set(pixels);
    return;
  }
  const scale = pixels instanceof Uint8Array ? 255 : 65_535;
  for (let at = 0; at < pixels.length; at += 1) to[at] = pixels[at]! / scale;
}
