import type { DatasetManifest, ImageRecord, PixelType } from '@medformer/schema';

/** Row-major pixels, channels last; the type follows the record's `pixelType`. */
export type Pixels = Uint8Array | Uint16Array;

/** One image on its way into a dataset: its record, less the place in a shard that the writer gives it. */
export interface DatasetImage extends Omit<ImageRecord, 'tensor' | 'row'> {
  /** Exactly product(`shape`) elements. */
  pixels: Pixels;
}

/** All of a manifest that the images themselves do not tell. */
export type DatasetDescription = Omit<DatasetManifest, 'kind' | 'census' | 'shards'>;

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, edge) => product * edge, 1);
}

export function pixelTypeOf(pixels: Pixels): PixelType {
  return pixels instanceof Uint16Array ? 'uint16' : 'uint8';
}

export function newPixels(pixelType: PixelType, length: number): Pixels {
  return pixelType === 'uint16' ? new Uint16Array(length) : new Uint8Array(length);
}
