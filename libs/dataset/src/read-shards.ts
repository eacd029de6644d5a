import { getBlob, type ObjectStore } from '@medformer/object-store';
import { type DatasetManifest, MedformerError } from '@medformer/schema';
import { decodeShard, type ShardImage } from './shard.js';

/** A shard whose bytes have their hash and whose images are as many as the manifest says. */
export interface ReadShard {
  sha256: string;
  images: ShardImage[];
}

/**
 * The dataset's shards one after the other; memory: one of them.
 * @throws MedformerError NOT_FOUND or DATA_LOSS for a shard that is missing or altered; CANCELLED.
 */
export async function* readShards(
  store: ObjectStore,
  manifest: DatasetManifest,
  signal?: AbortSignal,
): AsyncGenerator<ReadShard, void, undefined> {
  for (const shard of manifest.shards) {
    if (signal?.aborted) throw new MedformerError('CANCELLED', 'cancelled by the caller');
    yield readShard(store, shard, signal);
  }
}

/** @throws as `readShards` does */
export async function readShard(
  store: ObjectStore,
  shard: DatasetManifest['shards'][number],
  signal?: AbortSignal,
): Promise<ReadShard> {
  const bytes = await getBlob(store, shard.sha256, signal ? { signal } : {});
  const images = decodeShard(bytes, `shard ${shard.sha256}`);
  if (images.length !== shard.images) {
    throw new MedformerError(
      'DATA_LOSS',
      `shard ${shard.sha256}: expected ${shard.images} images, found ${images.length}`,
    );
  }
  return { sha256: shard.sha256, images };
}
