import { type ImageRecord, sha256 } from '@medformer/schema';
import { type Detail, detailOf } from './detail.js';
import type { ImageGrid } from './image-grid.js';
import { perceptualHashes } from './perceptual-hash.js';

/** What of an image is compared with other images; about a kilobyte, of a volume 22. */
export interface Fingerprint {
  /** Position of the data set among those compared. */
  dataset: number;
  record: Pick<ImageRecord, 'id' | 'split' | 'subject' | 'modality' | 'bodyPart'>;
  axes: 2 | 3;
  /** SHA-256 of shape, pixel type and pixels. */
  pixels: string;
  hashes: Uint32Array;
  /** Undefined of an image without structure; it is nobody's duplicate. */
  detail: Detail | undefined;
}

/**
 * @param pixels row-major, channels last
 * @param grid of these pixels
 */
export function fingerprint(
  dataset: number,
  { id, split, subject, modality, bodyPart, shape, pixelType }: ImageRecord,
  pixels: Uint8Array | Uint16Array,
  grid: ImageGrid,
): Fingerprint {
  const bytes = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
  return {
    dataset,
    record: { id, split, subject, modality, bodyPart },
    axes: grid.shape.length as 2 | 3,
    pixels: sha256(`${pixelType} ${shape.join()} ${sha256(bytes)}`),
    hashes: perceptualHashes(grid),
    detail: detailOf(grid),
  };
}
