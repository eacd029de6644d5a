import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ObjectStore, onStoreOperation, openObjectStore, type StoreOperation } from './index.js';

describe('a store tells', () => {
  let folder: string;
  let store: ObjectStore;
  const told: StoreOperation[] = [];
  let stop: () => void;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'medformer-operations-'));
    store = await openObjectStore({ url: pathToFileURL(folder).href });
    stop = onStoreOperation((operation) => told.push(operation));
  });
  afterEach(async () => {
    stop();
    told.splice(0);
    await rm(folder, { recursive: true, force: true });
  });
  const names = () => told.map(({ operation, outcome }) => `${operation} ${outcome}`);

  it('each operation with its outcome and how long it took', async () => {
    await store.put('a/b', Buffer.from('x'));
    expect((await store.get('a/b')).toString()).toBe('x');
    await store.get('a/c').catch(() => undefined);
    await store.get('not a key').catch(() => undefined);
    await store.get('a/b', { signal: AbortSignal.abort() }).catch(() => undefined);
    expect(names()).toEqual(['put ok', 'get ok', 'get not-found', 'get failed', 'get cancelled']);
    for (const { seconds } of told) expect(seconds).toBeGreaterThanOrEqual(0);
  });

  it('a listing once, also when the caller stops early', async () => {
    for (const key of ['a/1', 'a/2', 'a/3']) await store.put(key, Buffer.from('x'));
    told.splice(0);
    const keys: string[] = [];
    for await (const { key } of store.list('a/')) keys.push(key);
    for await (const _ of store.list('a/')) break;
    expect(keys).toEqual(['a/1', 'a/2', 'a/3']);
    expect(names()).toEqual(['list ok', 'list ok']);
  });

  it('nobody any more once the listener is taken away', async () => {
    stop();
    await store.ping();
    expect(told).toEqual([]);
  });
});
