import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blobKey, type ObjectStore, openFilesystemStore } from '@medformer/object-store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { drawImages, readPixels, readShardIndex, type StoredDataset, writeDataset } from './index.js';
import { cohort, description } from './testing/cohort.js';

const SMALL = { maxShardBytes: 6_000 };
const ALL = { perKind: 1000, limit: 1000, seed: 0 };

let folder: string;
let store: ObjectStore;
let dataset: StoredDataset;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draw-images-'));
  store = await openFilesystemStore(folder);
  dataset = await writeDataset(store, description(), images(), SMALL);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Of two kinds, the rarer one with two images. */
const images = () => cohort(40).map((image, at) => (at < 2 ? { ...image, modality: 'mri' } : image));

describe('drawImages', () => {
  it('reads of each image the pixels that were written, of both types, and nothing else', async () => {
    const { manifest } = dataset;
    expect(manifest.shards.length).toBeGreaterThan(2);
    const reads: string[] = [];
    const watched: ObjectStore = {
      ...store,
      get: (key, options) => {
        reads.push(options?.range ? 'part' : 'whole');
        return store.get(key, options);
      },
    };
    const drawn = await drawImages(watched, manifest, ALL);
    expect(drawn).toHaveLength(40);
    for (const one of drawn) {
      const pixels = await readPixels(watched, one, one.record);
      expect(pixels).toEqual(pixelsOf(one.record.id));
    }
    expect(new Set(reads)).toEqual(new Set(['part']));
  });

  it('takes of every kind and class as many as asked for, the same ones by the same seed', async () => {
    const draw = (options: Partial<typeof ALL>) =>
      drawImages(store, dataset.manifest, { ...ALL, ...options });
    const two = await draw({ perKind: 2 });
    expect(two.filter(({ record }) => record.modality === 'mri')).toHaveLength(2);
    for (const region of [0, 1, 2]) {
      const of = two.filter(({ record }) => record.modality === 'ct' && record.labels.region === region);
      expect(of.length).toBeGreaterThanOrEqual(2);
    }
    expect(ids(await draw({ perKind: 2 }))).toEqual(ids(two));
    expect(ids(await draw({ perKind: 2, seed: 1 }))).not.toEqual(ids(two));
    expect(ids(await draw({ perKind: 3 }))).toEqual(expect.arrayContaining(ids(two)));
  });

  it('keeps one of every kind while the limit lets it', async () => {
    const few = await drawImages(store, dataset.manifest, { perKind: 20, limit: 12, seed: 0 });
    expect(few).toHaveLength(12);
    expect(new Set(few.map(({ record }) => record.modality))).toEqual(new Set(['ct', 'mri']));
    const classes = few
      .filter(({ record }) => record.modality === 'ct')
      .map((one) => one.record.labels.region);
    expect(new Set(classes)).toEqual(new Set([0, 1, 2]));
  });
});

describe('readShardIndex', () => {
  it('tells a header that is none by its shard', async () => {
    const [shard] = dataset.manifest.shards;
    const bytes = await store.get(blobKey(shard!.sha256));
    await store.put(blobKey(shard!.sha256), bytes.fill(255, 0, 8));
    await expect(readShardIndex(store, shard!)).rejects.toMatchObject({
      code: 'DATA_LOSS',
      message: expect.stringContaining(`shard ${shard!.sha256}: header length: expected at most`),
    });
  });
});

const ids = (drawn: { record: { id: string } }[]) => drawn.map(({ record }) => record.id);
const pixelsOf = (id: string) => cohort(40).find((image) => image.id === id)!.pixels;
