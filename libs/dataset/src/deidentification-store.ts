import { getRecord, type ObjectStore, putIndexed } from '@medformer/object-store';
import { ContentHash, DeidentificationAudit, parseRecord } from '@medformer/schema';

const INDEX = 'deidentification-index/';

/**
 * Stores what was done to the files of a source, then the index entries by which it is found.
 * @param source digest of the source, as its manifest names it
 * @returns the records' content addresses
 */
export async function putDeidentificationAudits(
  store: ObjectStore,
  source: string,
  audits: readonly DeidentificationAudit[],
): Promise<string[]> {
  const hashes: string[] = [];
  for (const [part, audit] of audits.entries()) {
    hashes.push(await putIndexed(store, INDEX, { source, part }, audit));
  }
  return hashes;
}

/** @throws MedformerError NOT_FOUND, DATA_LOSS; INVALID_ARGUMENT for what is no address or another record. */
export async function getDeidentificationAudit(
  store: ObjectStore,
  hash: string,
): Promise<DeidentificationAudit> {
  parseRecord(ContentHash, hash, 'de-identification audit');
  return getRecord(store, DeidentificationAudit, hash, 'de-identification audit');
}
