import { getRecord, newestHashes, type ObjectStore, putRecord } from '@medformer/object-store';
import { Promotion } from '@medformer/schema';
import { refer } from './references.js';

const PREFIX = 'promotions/';

export interface StoredPromotion {
  /** Content address of the record. */
  hash: string;
  promotion: Promotion;
}

/** Keeps what a gate decided, and its candidate from being pruned where it was promoted. */
export async function putPromotion(store: ObjectStore, promotion: Promotion): Promise<StoredPromotion> {
  if (promotion.promoted) await refer(store, promotion.candidate, 'promotion');
  const hash = await putRecord(store, promotion);
  await store.put(`${PREFIX}${promotion.candidate}/${hash}`, Buffer.alloc(0));
  return { hash, promotion };
}

/** What gates decided of a candidate, or of all, newest first. */
export async function listPromotions(store: ObjectStore, candidate?: string): Promise<StoredPromotion[]> {
  const prefix = candidate === undefined ? PREFIX : `${PREFIX}${candidate}/`;
  const found = await newestHashes(store, prefix, (key) => key.split('/').at(-1));
  return Promise.all(
    found.map(async (hash) => ({
      hash,
      promotion: await getRecord(store, Promotion, hash, 'promotion'),
    })),
  );
}

/** Whether a gate let this candidate take the place of what is served: of nothing, or of that checkpoint. */
export async function isPromoted(
  store: ObjectStore,
  candidate: string,
  served: string | undefined,
): Promise<boolean> {
  const decided = await listPromotions(store, candidate);
  return decided.some(({ promotion }) => promotion.promoted && promotion.served === served);
}

/** Whether a gate ever let this candidate take a place, whatever was served then. */
export async function wasPromoted(store: ObjectStore, candidate: string): Promise<boolean> {
  const decided = await listPromotions(store, candidate);
  return decided.some(({ promotion }) => promotion.promoted);
}
