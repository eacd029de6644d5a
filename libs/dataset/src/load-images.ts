import type { ObjectStore } from '@medformer/object-store';
import type { DatasetManifest, ImageRecord, PixelType, Split } from '@medformer/schema';
import { elements, newPixels, type Pixels } from './dataset-image.js';
import { readShards } from './read-shards.js';
import type { ShardImage } from './shard.js';

/** Images of one shape and pixel type. */
export interface ImageGroup {
  /** `[height, width, channels]` or `[depth, height, width, channels]`. */
  shape: number[];
  pixelType: PixelType;
  /** `[images, ...shape]`, contiguous; uint8 spans 0-255 and uint16 0-65535 over the normalised range [0, 1]. */
  pixels: Pixels;
  /** One per image, in the order of `pixels`. */
  records: ImageRecord[];
}

export type LoadedImages = ImageGroup[];

export interface LoadOptions {
  split?: Split;
  /** Spatial dimensions to keep; both when absent. */
  dimensions?: (2 | 3)[];
  /** Modalities to keep; all when absent. */
  modalities?: readonly string[] | undefined;
  /** Only these images. */
  ids?: ReadonlySet<string>;
  signal?: AbortSignal;
}

/**
 * The dataset's images in memory, grouped by shape in order of first appearance, in writing order within a
 * group. Every shard is checked against its hash, every record against its schema.
 *
 * @returns no groups when the filter keeps nothing.
 * @throws MedformerError NOT_FOUND or DATA_LOSS for a shard that is missing or altered; CANCELLED.
 */
export async function loadImages(
  store: ObjectStore,
  manifest: DatasetManifest,
  options: LoadOptions = {},
): Promise<LoadedImages> {
  const { split, dimensions, modalities, ids, signal } = options;
  const wanted = ({ record }: ShardImage) =>
    (!split || record.split === split) &&
    (!ids || ids.has(record.id)) &&
    (!modalities || modalities.includes(record.modality)) &&
    (!dimensions || dimensions.includes(record.shape.length === 4 ? 3 : 2));

  const parts = new Map<string, ShardImage[][]>();
  for await (const { images } of readShards(store, manifest, signal)) {
    for (const [key, group] of groupByShape(images.filter(wanted))) {
      const part = group.length === images.length ? group : detached(group);
      parts.set(key, [...(parts.get(key) ?? []), part]);
    }
  }
  return [...parts.values()].map(join);
}

function groupByShape(images: ShardImage[]): Map<string, ShardImage[]> {
  const groups = new Map<string, ShardImage[]>();
  for (const image of images) {
    const key = `${image.record.pixelType} ${image.record.shape.join()}`;
    const group = groups.get(key);
    if (group) group.push(image);
    else groups.set(key, [image]);
  }
  return groups;
}

/** Copies what is wanted out of the shard, so that the rest of its bytes can be freed. */
function detached(images: ShardImage[]): ShardImage[] {
  const { pixels, records, shape } = join([images]);
  const length = elements(shape);
  return records.map((record, row) => ({
    record,
    pixels: pixels.subarray(row * length, (row + 1) * length) as Pixels,
  }));
}

function join(parts: ShardImage[][]): ImageGroup {
  const images = parts.flat();
  const { shape, pixelType } = images[0]!.record;
  const length = elements(shape);
  const pixels = newPixels(pixelType, images.length * length);
  for (const [row, image] of images.entries()) pixels.set(image.pixels, row * length);
  return { shape, pixelType, pixels, records: images.map(({ record }) => record) };
}
