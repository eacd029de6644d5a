import { canonicalJson, MedformerError, parseRecord, sha256 } from '@medformer/schema';
import type { z } from 'zod';
import type { ObjectStore } from './object-store.js';

/** Garbage is older than twice this; see `collectGarbage`. */
export const REFRESH_AGE_MS = 12 * 60 * 60 * 1000;

/** Where the bytes with this SHA-256 lie: `blobs/sha256/<first two digits>/<hash>`. */
export function blobKey(hash: string): string {
  if (!/^[0-9a-f]{64}$/.test(hash)) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(hash.slice(0, 80))} is no SHA-256 in lower-case hex`,
    );
  }
  return `blobs/sha256/${hash.slice(0, 2)}/${hash}`;
}

/**
 * Stores bytes under their own hash. Bytes that are there already are not sent again, unless they are so old that they may be
 * on their way out as garbage: then their age begins anew.
 */
export async function putBlob(
  store: ObjectStore,
  bytes: Uint8Array,
  options?: { contentType?: string },
): Promise<{ sha256: string; bytes: number }> {
  const hash = sha256(bytes);
  const key = blobKey(hash);
  const there = await store.head(key);
  const young = there && Date.now() - there.lastModified.getTime() < REFRESH_AGE_MS;
  if (!young || there.bytes !== bytes.byteLength) await store.put(key, bytes, options);
  return { sha256: hash, bytes: bytes.byteLength };
}

/**
 * The bytes with this SHA-256, verified.
 * @throws MedformerError NOT_FOUND; DATA_LOSS when the stored bytes have another hash.
 */
export async function getBlob(
  store: ObjectStore,
  hash: string,
  options?: { signal?: AbortSignal },
): Promise<Buffer> {
  const bytes = await store.get(blobKey(hash), options);
  const found = sha256(bytes);
  if (found !== hash) {
    throw new MedformerError(
      'DATA_LOSS',
      `blob ${hash}: expected bytes of that SHA-256, found ${bytes.length} of ${found}`,
    );
  }
  return bytes;
}

/** Stores a record as canonical JSON; the answer is its content address. */
export async function putRecord(store: ObjectStore, record: unknown): Promise<string> {
  const stored = await putBlob(store, Buffer.from(canonicalJson(record)), {
    contentType: 'application/json',
  });
  return stored.sha256;
}

/**
 * The record at this content address, verified and parsed.
 * @param what names the kind in errors, e.g. `checkpoint`.
 * @throws MedformerError NOT_FOUND, DATA_LOSS; INVALID_ARGUMENT when the bytes are another kind of record.
 */
export async function getRecord<Schema extends z.ZodType>(
  store: ObjectStore,
  schema: Schema,
  address: string,
  what: string,
): Promise<z.output<Schema>> {
  const bytes = await getBlob(store, address).catch((thrown) => {
    if (thrown instanceof MedformerError && thrown.code === 'NOT_FOUND') {
      throw new MedformerError('NOT_FOUND', `${what} ${address}: not in the store`, { cause: thrown });
    }
    throw thrown;
  });
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new MedformerError('INVALID_ARGUMENT', `${what} ${address}: expected JSON`, { cause });
  }
  return parseRecord(schema, value, `${what} ${address}`);
}
