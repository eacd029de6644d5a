/** Pixels of one image with its shape: [height, width, channels] or [depth, height, width, channels]. */
export interface ImagePixels {
  pixels: Uint8Array | Uint16Array | Float32Array;
  shape: readonly number[];
}

/** The factor that brings stored pixels to [0, 1]. */
export function pixelScale(pixels: ImagePixels['pixels']): number {
  if (pixels instanceof Uint8Array) return 1 / 255;
  return pixels instanceof Uint16Array ? 1 / 65535 : 1;
}
