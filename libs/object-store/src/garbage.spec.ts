import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Rng } from '@medformer/schema';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { blobKey, putBlob, putRecord } from './blob.js';
import { openFilesystemStore } from './filesystem-store.js';
import { collectGarbage } from './garbage.js';
import type { ObjectStore } from './object-store.js';

const DAY = 24 * 60 * 60 * 1000;
const random = Rng.of('garbage spec');

let folder: string;
let store: ObjectStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'garbage-'));
  store = await openFilesystemStore(folder);
});
afterEach(() => rm(folder, { recursive: true }));

describe('collectGarbage', () => {
  it('removes what nothing names and keeps what keys, records and records of records name', async () => {
    const [shard, byKey, loose] = [await blob(), await blob(), await blob()];
    const inner = await record({ weights: [{ sha256: shard }] });
    const outer = await record({ checkpoint: inner });
    await store.put('runs/a/pointer.json', Buffer.from(JSON.stringify({ outer })));
    await store.put(`references/${byKey}/report-1`, Buffer.alloc(0));

    expect(await collectGarbage(store)).toEqual({ blobs: 1, bytes: 100, named: 4, young: 0 });
    expect(await there(shard, inner, outer, byKey, loose)).toEqual([true, true, true, true, false]);
    expect(await collectGarbage(store)).toEqual({ blobs: 0, bytes: 0, named: 4, young: 0 });
  });

  it('removes a record that nothing names together with what only it names', async () => {
    const shard = await blob();
    const manifest = await record({ shards: [shard] });
    expect(await collectGarbage(store)).toMatchObject({ blobs: 2, named: 0 });
    expect(await there(shard, manifest)).toEqual([false, false]);
  });

  it('takes no hash out of the bytes of tensors', async () => {
    const loose = await blob();
    const tensors = await aged((await putBlob(store, Buffer.from(`\u0001\u0000 ${loose}`))).sha256);
    await store.put('datasets/a.json', Buffer.from(JSON.stringify({ tensors })));
    expect(await collectGarbage(store)).toMatchObject({ blobs: 1, named: 1 });
    expect(await there(loose, tensors)).toEqual([false, true]);
  });

  it('leaves what is young, for whoever is about to name it', async () => {
    const young = (await putBlob(store, Buffer.from('of an ingest that is under way'))).sha256;
    expect(await collectGarbage(store)).toEqual({ blobs: 0, bytes: 0, named: 0, young: 1 });
    expect(await there(young)).toEqual([true]);
  });

  it('leaves everything where it is on a dry run, and says the same', async () => {
    const loose = await blob();
    const found = await collectGarbage(store, { dryRun: true });
    expect(await there(loose)).toEqual([true]);
    expect(await collectGarbage(store)).toEqual(found);
  });

  it('leaves bytes that a writer found there already, however old they were', async () => {
    const bytes = Buffer.from('stored two days ago, and wanted again');
    await aged((await putBlob(store, bytes)).sha256);
    const { sha256 } = await putBlob(store, bytes);
    expect(await collectGarbage(store)).toMatchObject({ blobs: 0, young: 1 });
    expect(await there(sha256)).toEqual([true]);
  });

  it('leaves a blob that was written anew between being listed and being removed', async () => {
    const bytes = Buffer.from('written again at the worst moment');
    const hash = await aged((await putBlob(store, bytes)).sha256);
    let written = false;
    const racing: ObjectStore = Object.assign(Object.create(store), {
      async *list(prefix: string) {
        for await (const info of store.list(prefix)) yield info;
        if (prefix !== '' || written) return;
        written = true;
        await putBlob(store, bytes);
      },
    });
    expect(await collectGarbage(racing)).toMatchObject({ blobs: 0, young: 1 });
    expect(await there(hash)).toEqual([true]);
  });
});

/** 100 bytes, two days old, that look like a tensor's. */
async function blob(): Promise<string> {
  const bytes = Buffer.from(Uint8Array.from({ length: 100 }, (_, at) => (at ? random.integer(256) : 0)));
  return aged((await putBlob(store, bytes)).sha256);
}

async function record(value: unknown): Promise<string> {
  return aged(await putRecord(store, value));
}

async function aged(hash: string): Promise<string> {
  const then = new Date(Date.now() - 2 * DAY);
  await utimes(join(folder, blobKey(hash)), then, then);
  return hash;
}

function there(...hashes: string[]): Promise<boolean[]> {
  return Promise.all(hashes.map(async (hash) => (await store.head(blobKey(hash))) !== undefined));
}
