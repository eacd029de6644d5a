import type { ImageRecord } from '@medformer/schema';

/** An image that may become part of a fusion. */
export interface FusionSource {
  record: ImageRecord;
  /** Row-major `record.shape`; uint8 spans 0-255 and uint16 0-65535 over [0, 1]. */
  pixels: Uint8Array | Uint16Array;
}

/** The spatial edges of an image's shape: [height, width] or [depth, height, width]. */
export function spatialOf(shape: readonly number[]): number[] {
  return shape.slice(0, -1);
}
