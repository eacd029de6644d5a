import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blobKey, type ObjectStore, openFilesystemStore } from '@medformer/object-store';
import { sha256 } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type DatasetImage,
  listDatasets,
  loadImages,
  manifestKey,
  resolveDataset,
  writeDataset,
} from './index.js';
import { cohort, description } from './testing/cohort.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dataset-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('writeDataset', () => {
  it('gives back exactly the images written, grouped by shape, with their records', async () => {
    const store = await newStore();
    const images = cohort(40);
    const { manifest } = await writeDataset(store, description(), images, { maxShardBytes: 6_000 });
    expect(manifest.shards.length).toBeGreaterThan(2);

    const groups = await loadImages(store, manifest);
    expect(groups.map(({ shape, pixelType, records }) => [shape, pixelType, records.length])).toEqual([
      [[6, 5, 1], 'uint8', 27],
      [[3, 6, 5, 1], 'uint16', 13],
    ]);
    for (const group of groups) {
      const length = group.pixels.length / group.records.length;
      for (const [row, record] of group.records.entries()) {
        const { pixels, ...known } = images.find(({ id }) => id === record.id)!;
        expect(record).toMatchObject(known);
        expect(group.pixels.subarray(row * length, (row + 1) * length)).toEqual(pixels);
      }
    }
  });

  it('gives equal bytes and an equal hash for equal images, and writes nothing the second time', async () => {
    const [first, second] = [await newStore(), await newStore()];
    const one = await writeDataset(first, description(), cohort(40));
    const shuffledKeys = cohort(40).map(({ pixels, ...image }) => ({
      pixels,
      ...Object.fromEntries(Object.entries(image).reverse()),
    })) as DatasetImage[];
    const two = await writeDataset(second, description(), shuffledKeys);
    expect(two.hash).toBe(one.hash);
    expect(await objects(second)).toEqual(await objects(first));

    const again = await writeDataset(first, description(), cohort(40));
    expect(again).toMatchObject({ hash: one.hash, created: false });
    expect(one.created).toBe(true);
    expect(await objects(first)).toEqual(await objects(second));
  });

  it('counts images, subjects, shapes and labels by split', async () => {
    const { manifest } = await writeDataset(await newStore(), description(), cohort(40));
    const total = (counts: Record<string, number>) => Object.values(counts).reduce((sum, n) => sum + n, 0);
    expect(total(manifest.census.images)).toBe(40);
    expect(total(manifest.census.subjects)).toBe(20);
    expect(manifest.census.modalities).toEqual({ ct: 40 });
    expect(manifest.census.labels.region?.train).toHaveLength(3);
    const regions = Object.values(manifest.census.labels.region ?? {}).flat();
    expect(regions.reduce((sum, n) => sum + n, 0)).toBe(40);
  });

  it('keeps every shard within the limit and refuses an image that no shard could hold', async () => {
    const store = await newStore();
    const { manifest } = await writeDataset(store, description(), cohort(60), { maxShardBytes: 9_000 });
    for (const { sha256: hash, bytes } of manifest.shards) {
      expect(bytes).toBeLessThanOrEqual(9_000);
      expect(await store.get(blobKey(hash))).toHaveLength(bytes);
    }
    await expect(writeDataset(store, description(), cohort(1), { maxShardBytes: 300 })).rejects.toThrow(
      /pixels: expected at most 300 bytes/,
    );
  });

  it.each<[string, (images: DatasetImage[]) => void, RegExp]>([
    [
      'a subject in two splits',
      ([x, y]) => Object.assign(y!, { subject: x!.subject, split: 'test' }),
      /split: expected train/,
    ],
    ['an id twice', ([x, y]) => Object.assign(y!, { id: x!.id }), /id: expected one image/],
    [
      'a label beyond the classes',
      ([x]) => Object.assign(x!.labels, { region: 3 }),
      /labels.region: expected a class from 0 to 2, found 3/,
    ],
    ['a label of no task', ([x]) => Object.assign(x!.labels, { age: 3 }), /labels.age: expected a task/],
    [
      'too few multi-label flags',
      ([x]) => Object.assign(x!.labels, { findings: [1] }),
      /expected 2 labels, found 1 labels/,
    ],
    [
      'pixels of another count',
      ([x]) => Object.assign(x!, { shape: [7, 5, 1] }),
      /expected 35 uint8 values, found 30/,
    ],
    [
      'pixels of another type',
      ([x]) => Object.assign(x!, { pixels: new Uint16Array(30) }),
      /found 30 uint16 values/,
    ],
  ])('refuses %s and leaves no dataset', async (_, spoil, message) => {
    const store = await newStore();
    const images = cohort(4);
    spoil(images);
    await expect(writeDataset(store, description(), images)).rejects.toThrow(message);
    expect(await listDatasets(store)).toEqual([]);
  });

  it('leaves no dataset when cancelled between shards', async () => {
    const store = await newStore();
    const abort = new AbortController();
    const writing = writeDataset(store, description(), cohort(40), {
      signal: abort.signal,
      maxShardBytes: 9_000,
      onShard: () => abort.abort(),
    });
    await expect(writing).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await objects(store)).toHaveLength(1);
    expect(await listDatasets(store)).toEqual([]);
  });
});

describe('loadImages', () => {
  it('keeps only the wanted split and dimensions', async () => {
    const store = await newStore();
    const { manifest } = await writeDataset(store, description(), cohort(40), { maxShardBytes: 9_000 });
    const volumes = await loadImages(store, manifest, { split: 'train', dimensions: [3] });
    expect(volumes).toHaveLength(1);
    expect(volumes[0]!.shape).toHaveLength(4);
    expect(new Set(volumes[0]!.records.map(({ split }) => split))).toEqual(new Set(['train']));
    const all = cohort(40).filter(({ split, shape }) => split === 'train' && shape.length === 4);
    expect(volumes[0]!.records.map(({ id }) => id)).toEqual(all.map(({ id }) => id));
    expect(volumes[0]!.pixels).toHaveLength(all.length * 90);
  });

  it('keeps only the wanted modalities', async () => {
    const store = await newStore();
    const { manifest } = await writeDataset(store, description(), cohort(40), { maxShardBytes: 9_000 });
    const [modality] = Object.keys(manifest.census.modalities);

    const groups = await loadImages(store, manifest, { modalities: [modality!] });

    const records = groups.flatMap((group) => group.records);
    expect(records).toHaveLength(manifest.census.modalities[modality!]!);
    expect(new Set(records.map((record) => record.modality))).toEqual(new Set([modality]));
    expect(await loadImages(store, manifest, { modalities: [] })).toEqual([]);
  });

  it('refuses a shard whose bytes were altered or lost', async () => {
    const store = await newStore();
    const { manifest } = await writeDataset(store, description(), cohort(10));
    const key = blobKey(manifest.shards[0]!.sha256);
    const bytes = await store.get(key);
    bytes[999]! ^= 1;
    await store.put(key, bytes);
    await expect(loadImages(store, manifest)).rejects.toMatchObject({ code: 'DATA_LOSS' });
    await store.delete(key);
    await expect(loadImages(store, manifest)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('resolveDataset', () => {
  it('finds the newest version by name, any version by hash, and only that pair by name@hash', async () => {
    const root = await mkdtemp(join(folder, 'store-'));
    const store = await openFilesystemStore(root);
    const old = await writeDataset(store, description(), cohort(10));
    await utimes(join(root, manifestKey('cohort', old.hash)), 0, 0);
    const newer = await writeDataset(store, description(), cohort(12));
    const other = await writeDataset(store, { ...description(), name: 'other' }, cohort(4));
    expect(await resolveDataset(store, 'cohort')).toEqual({ manifest: newer.manifest, hash: newer.hash });
    expect((await resolveDataset(store, old.hash)).manifest).toEqual(old.manifest);
    expect((await resolveDataset(store, `cohort@${old.hash}`)).hash).toBe(old.hash);
    expect((await listDatasets(store)).map(({ hash }) => hash)).toEqual([old.hash, newer.hash, other.hash]);
    for (const missing of ['nothing', `other@${old.hash}`, 'f'.repeat(64)]) {
      await expect(resolveDataset(store, missing)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
    await expect(resolveDataset(store, '../etc')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

async function newStore(): Promise<ObjectStore> {
  return openFilesystemStore(await mkdtemp(join(folder, 'store-')));
}

async function objects(store: ObjectStore): Promise<[key: string, hash: string][]> {
  const found: [string, string][] = [];
  for await (const { key } of store.list('')) found.push([key, sha256(await store.get(key))]);
  return found;
}
