import type { ObjectStore } from '@medformer/object-store';
import { canonicalJson, type DatasetManifest, toMedformerError } from '@medformer/schema';
import type { StoredDataset } from './catalogue.js';
import { CensusTaker } from './census.js';
import { readShard } from './read-shards.js';

export interface VerifyOptions {
  /** Called after every shard with those read so far. */
  onShard?: (shards: number) => void;
  signal?: AbortSignal;
}

/** What a dataset's stored bytes are, against what its manifest says. */
export interface DatasetVerification {
  shards: number;
  images: number;
  bytes: number;
  /** One for each shard that is missing or altered, each record that contradicts another, each count that is wrong. */
  faults: string[];
}

/**
 * Reads all that a manifest names: every shard has its hash and its images, every record fits its tensor, the label
 * spaces and the others, no subject stands in two splits, and the census is that of these images.
 *
 * @throws MedformerError CANCELLED; UNAVAILABLE when the store does not answer, which says nothing about the data
 */
export async function verifyDataset(
  store: ObjectStore,
  { manifest, hash }: StoredDataset,
  { onShard, signal }: VerifyOptions = {},
): Promise<DatasetVerification> {
  const census = new CensusTaker(manifest.labelSpaces);
  const verified: DatasetVerification = { shards: 0, images: 0, bytes: 0, faults: [] };
  for (const [at, shard] of manifest.shards.entries()) {
    try {
      for (const { record, pixels } of (await readShard(store, shard, signal)).images) {
        census.add({ ...record, pixels });
        verified.images += 1;
      }
      verified.bytes += shard.bytes;
    } catch (thrown) {
      const error = toMedformerError(thrown);
      if (!['NOT_FOUND', 'DATA_LOSS', 'INVALID_ARGUMENT'].includes(error.code)) throw error;
      verified.faults.push(`shard ${at + 1} of ${manifest.shards.length}: ${error.message}`);
    }
    verified.shards += 1;
    onShard?.(verified.shards);
  }
  if (verified.faults.length === 0) verified.faults.push(...wrongCounts(manifest, census.census(), hash));
  return verified;
}

function wrongCounts(
  { census: said }: DatasetManifest,
  found: DatasetManifest['census'],
  hash: string,
): string[] {
  const fields = Object.keys(found) as (keyof DatasetManifest['census'])[];
  return fields
    .filter((field) => canonicalJson(said[field]) !== canonicalJson(found[field]))
    .map(
      (field) =>
        `manifest ${hash}: census.${field}: expected ${canonicalJson(found[field])}, found ${canonicalJson(said[field])}`,
    );
}
