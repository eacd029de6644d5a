import type { DecodedFrame, SampleValues } from '../codecs/coded-frame.js';
import type { PixelModule } from './pixel-module.js';

/** For `length` samples as the attributes describe them. */
export function allocateSamples(
  { allocated, signed }: Pick<PixelModule, 'allocated' | 'signed'>,
  length: number,
): SampleValues {
  if (allocated <= 8) return signed && allocated === 8 ? new Int8Array(length) : new Uint8Array(length);
  if (allocated === 16) return signed ? new Int16Array(length) : new Uint16Array(length);
  return signed ? new Int32Array(length) : new Uint32Array(length);
}

/**
 * The BitsStored bits below HighBit, sign-extended where PixelRepresentation says so, in place: what stands above them
 * may be overlays.
 */
export function maskSamples(values: SampleValues, { allocated, stored, high, signed }: PixelModule): void {
  if (allocated === 1 || (stored === allocated && high === allocated - 1)) return;
  const up = 31 - high;
  const down = 32 - stored;
  if (signed) {
    for (let index = 0; index < values.length; index += 1) values[index] = (values[index]! << up) >> down;
  } else {
    for (let index = 0; index < values.length; index += 1) values[index] = (values[index]! << up) >>> down;
  }
}

/**
 * Copies a decoded frame to its place. A codestream states its own precision and sign, and where the attributes say
 * otherwise, the attributes hold: unsigned codes of a signed image are two's complement of their own precision.
 */
export function placeFrame(
  { values, bits, signed }: DecodedFrame,
  to: SampleValues,
  offset: number,
  { stored, high, allocated, signed: wanted }: PixelModule,
): void {
  if (signed === wanted && (bits <= stored || signed)) {
    to.set(values, offset);
    return;
  }
  const kept = Math.min(bits, bits > stored ? stored : bits);
  // Codecs that keep whole words, as RLE does, keep bits below the stored ones too.
  const below = bits === allocated ? high + 1 - stored : 0;
  const up = 32 - kept - below;
  const down = 32 - kept;
  if (wanted) {
    for (let index = 0; index < values.length; index += 1)
      to[offset + index] = (values[index]! << up) >> down;
  } else {
    for (let index = 0; index < values.length; index += 1)
      to[offset + index] = (values[index]! << up) >>> down;
  }
}
