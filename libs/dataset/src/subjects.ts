import type { ObjectStore } from '@medformer/object-store';
import { type DatasetManifest, MedformerError } from '@medformer/schema';
import { readShards } from './read-shards.js';

/**
 * Whom images are of, by the images' ids; memory: one shard.
 * @throws MedformerError FAILED_PRECONDITION for an image that the data set does not have; as `loadImages` does
 */
export async function subjectsOf(
  store: ObjectStore,
  manifest: DatasetManifest,
  ids: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { images } of readShards(store, manifest, signal)) {
    for (const { record } of images) if (ids.has(record.id)) found.set(record.id, record.subject);
    if (found.size === ids.size) return found;
  }
  throw new MedformerError(
    'FAILED_PRECONDITION',
    `dataset ${manifest.name}: has ${found.size} of ${ids.size} images`,
  );
}
