import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blobKey, collectGarbage, type ObjectStore, openFilesystemStore } from '@medformer/object-store';
import { sha256 } from '@medformer/schema';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  diffDatasets,
  listDatasets,
  loadImages,
  manifestKey,
  removeDataset,
  verifyDataset,
  writeDataset,
} from './index.js';
import { cohort, description } from './testing/cohort.js';

/** Ten shards or so. */
const SMALL = { maxShardBytes: 2_500 };

let folder: string;
let store: ObjectStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dataset-care-'));
  store = await openFilesystemStore(folder);
});
afterEach(() => rm(folder, { recursive: true }));

describe('diffDatasets', () => {
  it('names the images that came, went and changed, and what changed of them', async () => {
    const before = await writeDataset(store, description(), cohort(20), SMALL);
    const images = cohort(24).slice(2);
    images[0]!.labels = { region: ((images[0]!.labels.region as number) + 1) % 3 };
    const moved = images.filter(({ subject }) => subject === 'subject-5');
    for (const image of moved) image.split = image.split === 'train' ? 'test' : 'train';
    const after = await writeDataset(store, { ...description(), description: 'again' }, images, SMALL);

    const difference = await diffDatasets(store, before, after);
    expect(difference.removed).toEqual(ids(cohort(2)));
    expect(difference.added).toEqual(ids(cohort(24).slice(20)));
    expect(difference.changed).toEqual([
      { id: images[0]!.id, fields: ['labels'] },
      ...moved.map(({ id }) => ({ id, fields: ['split'] })),
    ]);
    expect(difference.same).toBe(18 - 1 - moved.length);
    expect(difference.manifestFields).toEqual(['description']);
  });

  it('finds no difference between a dataset and itself', async () => {
    const dataset = await writeDataset(store, description(), cohort(9));
    expect(await diffDatasets(store, dataset, dataset)).toMatchObject({
      added: [],
      removed: [],
      changed: [],
      same: 9,
      manifestFields: [],
    });
  });
});

describe('verifyDataset', () => {
  it('finds no fault with what was written, and counts it', async () => {
    const dataset = await writeDataset(store, description(), cohort(40), SMALL);
    const seen: number[] = [];
    const verified = await verifyDataset(store, dataset, { onShard: (shards) => seen.push(shards) });
    const { shards } = dataset.manifest;
    expect(verified).toEqual({
      shards: shards.length,
      images: 40,
      bytes: shards.reduce((sum, { bytes }) => sum + bytes, 0),
      faults: [],
    });
    expect(seen).toEqual(shards.map((_, at) => at + 1));
  });

  it('names every shard that is altered or missing', async () => {
    const dataset = await writeDataset(store, description(), cohort(40), SMALL);
    const [first, , third] = dataset.manifest.shards;
    const total = dataset.manifest.shards.length;
    const bytes = await store.get(blobKey(first!.sha256));
    bytes[bytes.length - 1]! ^= 1;
    await store.put(blobKey(first!.sha256), bytes);
    await store.delete(blobKey(third!.sha256));

    const { faults } = await verifyDataset(store, dataset);
    expect(faults).toEqual([
      `shard 1 of ${total}: blob ${first!.sha256}: expected bytes of that SHA-256, found ${bytes.length} of ${sha256(bytes)}`,
      expect.stringMatching(new RegExp(`^shard 3 of ${total}: .*${third!.sha256}`)),
    ]);
  });

  it('finds a census that is not that of the images', async () => {
    const dataset = await writeDataset(store, description(), cohort(8));
    const manifest = structuredClone(dataset.manifest);
    manifest.census.modalities.ct = 9;
    expect((await verifyDataset(store, { manifest, hash: dataset.hash })).faults).toEqual([
      `manifest ${dataset.hash}: census.modalities: expected {"ct":8}, found {"ct":9}`,
    ]);
  });
});

describe('removeDataset', () => {
  it('takes away one version; the collector then takes the shards that no other version names', async () => {
    const small = await writeDataset(store, description(), cohort(20), SMALL);
    const large = await writeDataset(store, { ...description(), name: 'larger' }, cohort(24), SMALL);
    const shared = hashes(small).filter((hash) => hashes(large).includes(hash));
    expect(shared.length).toBeGreaterThan(0);

    await removeDataset(store, large);
    expect((await listDatasets(store)).map(({ hash }) => hash)).toEqual([small.hash]);
    expect(await store.head(manifestKey('larger', large.hash))).toBeUndefined();

    const found = await collectGarbage(store, { olderThanMs: -1000 });
    expect(found).toMatchObject({ blobs: hashes(large).length - shared.length, named: hashes(small).length });
    expect(await loadImages(store, small.manifest)).toHaveLength(2);
  });

  it('beside an ingest of the same images loses none of them', async () => {
    const first = await writeDataset(store, description(), cohort(40), SMALL);
    await removeDataset(store, first);
    const collecting = (async () => {
      for (let round = 0; round < 10; round += 1) await collectGarbage(store, { olderThanMs: 60_000 });
    })();
    const again = await writeDataset(store, description(), cohort(40), SMALL);
    await collecting;
    expect(again.hash).toBe(first.hash);
    expect((await verifyDataset(store, again)).faults).toEqual([]);
  });
});

describe('writeDataset', () => {
  it('writes no manifest over shards that were collected before it was whole', async () => {
    const images = cohort(40);
    const writing = writeDataset(
      store,
      description(),
      (async function* () {
        yield* images;
        await collectGarbage(store, { olderThanMs: -1000 });
      })(),
      SMALL,
    );
    await expect(writing).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await listDatasets(store)).toEqual([]);
  });
});

const ids = (images: { id: string }[]) => images.map(({ id }) => id);
const hashes = ({ manifest }: { manifest: { shards: { sha256: string }[] } }) =>
  manifest.shards.map(({ sha256 }) => sha256);
