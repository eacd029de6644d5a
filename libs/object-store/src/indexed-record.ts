import { ContentHash, canonicalJson, contentAddress, parseRecord } from '@medformer/schema';
import { z } from 'zod';
import { putRecord } from './blob.js';
import type { ObjectStore } from './object-store.js';

const IndexEntry = z.object({ report: ContentHash });

/**
 * Stores what was computed of a request, then the index entry by which an equal request finds it.
 * @param index prefix of the entries' keys, ending in a slash
 * @returns the record's content address
 */
export async function putIndexed(
  store: ObjectStore,
  index: string,
  request: unknown,
  record: unknown,
): Promise<string> {
  const report = await putRecord(store, record);
  await putIndexEntry(store, index, request, report);
  return report;
}

/** Lets an equal request find what lies at this content address. */
export async function putIndexEntry(
  store: ObjectStore,
  index: string,
  request: unknown,
  report: string,
): Promise<void> {
  const entry = Buffer.from(canonicalJson({ report } satisfies z.input<typeof IndexEntry>));
  await store.put(keyOf(index, request), entry, { contentType: 'application/json' });
}

/** The content address of what was computed of an equal request. */
export async function findIndexed(
  store: ObjectStore,
  index: string,
  request: unknown,
): Promise<string | undefined> {
  const key = keyOf(index, request);
  if (!(await store.head(key))) return undefined;
  const entry = JSON.parse((await store.get(key)).toString('utf8'));
  return parseRecord(IndexEntry, entry, key).report;
}

const keyOf = (index: string, request: unknown) => `${index}${contentAddress(request)}.json`;
