import type { ObjectStore } from '@medformer/object-store';
import { canonicalJson, EmbeddingMoments, parseRecord } from '@medformer/schema';

const keyOf = (checkpoint: string) => `embedding-moments/${checkpoint}.json`;

/** Keeps the moments of a checkpoint's training embeddings, unless those of more images are kept already. */
export async function putEmbeddingMoments(
  store: ObjectStore,
  checkpoint: string,
  moments: EmbeddingMoments,
): Promise<void> {
  const known = await getEmbeddingMoments(store, checkpoint);
  if (known && known.images >= moments.images) return;
  const bytes = Buffer.from(canonicalJson(moments));
  await store.put(keyOf(checkpoint), bytes, { contentType: 'application/json' });
}

/** Undefined of a checkpoint that no evaluation saw together with what it was trained on. */
export async function getEmbeddingMoments(
  store: ObjectStore,
  checkpoint: string,
): Promise<EmbeddingMoments | undefined> {
  const key = keyOf(checkpoint);
  if (!(await store.head(key))) return undefined;
  return parseRecord(EmbeddingMoments, JSON.parse((await store.get(key)).toString('utf8')), key);
}
