import { blobKey, REFRESH_AGE_MS } from './blob.js';
import type { ObjectInfo, ObjectStore } from './object-store.js';

const BLOBS = 'blobs/sha256/';
const HASH = /[0-9a-f]{64}/g;

export interface CollectOptions {
  /** Only blobs that were written this long ago; twice REFRESH_AGE_MS when absent, and never less while others write. */
  olderThanMs?: number | undefined;
  /** Finds, and leaves everything where it is. */
  dryRun?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** What `collectGarbage` found. */
export interface Garbage {
  /** Removed, or to be removed. */
  blobs: number;
  bytes: number;
  /** Blobs that something names, and those that nothing names yet but are young. */
  named: number;
  young: number;
}

/**
 * Removes blobs that nothing names: shards of removed data sets, checkpoints' tensors whose run is gone, what crashes left.
 *
 * A blob is named when its hash stands in the key or the text of any other object, or in the text of a named blob that is
 * JSON. Nothing is known here of kinds of records, so that a new kind cannot be forgotten; what an old record merely
 * mentions stays as well.
 *
 * Safe beside writers: what they write is young. A writer that finds its bytes there already makes them young again
 * when they are older than REFRESH_AGE_MS (`putBlob`), and each blob's age is looked at once more right before it goes.
 * Killed anywhere it has removed some garbage; the next call removes the rest.
 */
export async function collectGarbage(store: ObjectStore, options: CollectOptions = {}): Promise<Garbage> {
  const { olderThanMs = 2 * REFRESH_AGE_MS, dryRun = false, signal } = options;
  const youngest = Date.now() - olderThanMs;
  // Before anything that names them: what is written meanwhile is then no candidate.
  const blobs = new Map<string, ObjectInfo>();
  for await (const info of store.list(BLOBS)) blobs.set(hashOf(info.key), info);
  const named = await namedBlobs(store, blobs, signal);

  const found: Garbage = { blobs: 0, bytes: 0, named: 0, young: 0 };
  for (const [hash, info] of blobs) {
    signal?.throwIfAborted();
    if (named.has(hash)) found.named += 1;
    else if (info.lastModified.getTime() > youngest) found.young += 1;
    else if (dryRun || (await removeOld(store, hash, youngest))) {
      found.blobs += 1;
      found.bytes += info.bytes;
    } else found.young += 1;
  }
  return found;
}

async function removeOld(store: ObjectStore, hash: string, youngest: number): Promise<boolean> {
  const now = await store.head(blobKey(hash));
  if (now && now.lastModified.getTime() > youngest) return false;
  await store.delete(blobKey(hash));
  return true;
}

/** Of these blobs those that something outside of them names, directly or by way of other blobs. */
async function namedBlobs(
  store: ObjectStore,
  blobs: ReadonlyMap<string, ObjectInfo>,
  signal: AbortSignal | undefined,
): Promise<Set<string>> {
  const named = new Set<string>();
  const unread: string[] = [];
  const note = (text: string) => {
    for (const [hash] of text.matchAll(HASH)) {
      if (!blobs.has(hash) || named.has(hash)) continue;
      named.add(hash);
      unread.push(hash);
    }
  };
  for await (const { key, bytes } of store.list('')) {
    signal?.throwIfAborted();
    if (key.startsWith(BLOBS)) continue;
    note(key);
    if (bytes > 0) note(await textOf(store, key));
  }
  for (let hash = unread.pop(); hash !== undefined; hash = unread.pop()) {
    signal?.throwIfAborted();
    note(await textOf(store, blobKey(hash)));
  }
  return named;
}

/** The object if it may be JSON; of tensors and pictures the first byte is read and no more. */
async function textOf(store: ObjectStore, key: string): Promise<string> {
  try {
    const [first] = await store.get(key, { range: { from: 0, length: 1 } });
    if (first === undefined || !'{['.includes(String.fromCharCode(first))) return '';
    return (await store.get(key)).toString('latin1');
  } catch (error) {
    // Gone since it was listed: it names nothing any more.
    if (!(await store.head(key))) return '';
    throw error;
  }
}

function hashOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}
