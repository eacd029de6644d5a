import { findIndexed, getRecord, type ObjectStore, putIndexed } from '@medformer/object-store';
import { ContentHash, FusionQuality, type FusionQualitySpec, parseRecord } from '@medformer/schema';

const INDEX = 'fusion-quality-index/';

export interface StoredFusionQuality {
  /** Content address of the record. */
  hash: string;
  quality: FusionQuality;
}

/** Stores what was measured, then the index entry by which it is found again. */
export async function putFusionQuality(
  store: ObjectStore,
  quality: FusionQuality,
): Promise<StoredFusionQuality> {
  const { spec, codeVersion } = quality;
  return { hash: await putIndexed(store, INDEX, { spec, codeVersion }, quality), quality };
}

/** What this code has already measured of an equal specification. */
export async function findFusionQuality(
  store: ObjectStore,
  spec: FusionQualitySpec,
  codeVersion: string,
): Promise<StoredFusionQuality | undefined> {
  const hash = await findIndexed(store, INDEX, { spec, codeVersion });
  return hash === undefined ? undefined : getFusionQuality(store, hash);
}

/** @throws MedformerError NOT_FOUND, DATA_LOSS; INVALID_ARGUMENT for what is no address or another record. */
export async function getFusionQuality(store: ObjectStore, hash: string): Promise<StoredFusionQuality> {
  parseRecord(ContentHash, hash, 'fusion quality');
  return { hash, quality: await getRecord(store, FusionQuality, hash, 'fusion quality') };
}
