import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { contentAddress } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findIndexed, type ObjectStore, openObjectStore, putIndexed } from './index.js';

let folder: string;
let store: ObjectStore;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'indexed-record-'));
  store = await openObjectStore({ url: pathToFileURL(folder).href });
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe('what was computed of a request', () => {
  it('is found by an equal one, whatever the order of its keys, and by no other', async () => {
    const record = { kind: 'test', value: 1 };
    const address = await putIndexed(store, 'test-index/', { spec: 1, codeVersion: 'a' }, record);

    expect(address).toBe(contentAddress(record));
    expect(await findIndexed(store, 'test-index/', { codeVersion: 'a', spec: 1 })).toBe(address);
    expect(await findIndexed(store, 'test-index/', { codeVersion: 'b', spec: 1 })).toBeUndefined();
    expect(await findIndexed(store, 'other-index/', { codeVersion: 'a', spec: 1 })).toBeUndefined();
  });
});
