import { ContentHash } from '@medformer/schema';
import type { ObjectStore } from './object-store.js';

/**
 * The content addresses that name objects under a prefix, those written last first.
 * @param hashIn where a key has its own; undefined for a key that does not count
 */
export async function newestHashes(
  store: ObjectStore,
  prefix: string,
  hashIn: (key: string) => string | undefined,
): Promise<string[]> {
  const found: { hash: string; written: number }[] = [];
  for await (const { key, lastModified } of store.list(prefix)) {
    const hash = ContentHash.safeParse(hashIn(key));
    if (hash.success) found.push({ hash: hash.data, written: lastModified.getTime() });
  }
  found.sort((x, y) => y.written - x.written || (x.hash < y.hash ? -1 : 1));
  return found.map(({ hash }) => hash);
}
