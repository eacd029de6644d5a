import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { status } from '@grpc/grpc-js';
import { putRunSpec } from '@medformer/checkpoint';
import { resolveDataset } from '@medformer/dataset';
import { blobKey, type ObjectStore, openObjectStore } from '@medformer/object-store';
import { RunSpec } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pictures } from './spec/files.js';
import { type Service, startService } from './spec/service.js';

let root: string;
let service: Service;
let store: ObjectStore;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'dataset-care-'));
  service = await startService(join(root, 'data'));
  store = await openObjectStore({ url: pathToFileURL(join(service.data, 'store')).href });
});
afterAll(async () => {
  await service.stop();
  await rm(root, { recursive: true, force: true });
});

describe('IngestionService', () => {
  it('says which images came, went and changed between two versions', async () => {
    const files = await pictures(8);
    const [gone] = Object.keys(files);
    const old = await service.ingest('versions', files);
    const { [gone!]: _, ...fewer } = files;
    const now = await service.ingest('versions', { ...fewer, ...(await pictures(10)) }, { splitSeed: 3n });

    const difference = await service.call('diffDatasets', {
      before: old.dataset!.manifest,
      after: 'versions',
      limit: 1,
    });
    expect(difference).toMatchObject({
      before: old.dataset!.manifest,
      after: now.dataset!.manifest,
      added: 2n,
      removed: 0n,
      manifestFields: ['splits'],
    });
    expect(difference.addedIds).toHaveLength(1);
    expect(difference.changed + difference.same).toBe(8n);
    expect(difference.changedFields.split ?? 0n).toBe(difference.changed);
  });

  it('finds no fault with a dataset, and names the shard that is altered', async () => {
    const { dataset } = await service.ingest('verified', await pictures(5));
    const good = await service.verify('verified');
    expect(good.verification).toMatchObject({ manifest: dataset!.manifest, images: 5n, faults: [] });
    expect(good.shards.at(-1)).toBe(good.verification.shards);

    const { manifest } = await resolveDataset(store, 'verified');
    const key = blobKey(manifest.shards[0]!.sha256);
    const bytes = await store.get(key);
    await store.put(key, bytes.subarray(0, -1));
    const { verification } = await service.verify('verified');
    expect(verification.faults).toEqual([expect.stringContaining(manifest.shards[0]!.sha256)]);
    await store.put(key, bytes);
  });

  it('removes a dataset unless runs were started on it, and then when forced to', async () => {
    const { dataset } = await service.ingest('trained-on', await pictures(3));
    const run = await putRunSpec(
      store,
      RunSpec.parse({
        kind: 'medformer.run.v1',
        dataset: dataset!.manifest,
        method: { name: 'simclr' },
        steps: 1,
        codeVersion: 'of the spec',
      }),
    );
    const request = { dataset: 'trained-on', force: false };
    await expect(service.call('removeDataset', request)).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: expect.stringContaining(`1 run was started on it, e.g. ${run}`),
    });
    const removed = await service.call('removeDataset', { ...request, force: true });
    expect(removed).toEqual({ name: 'trained-on', manifest: dataset!.manifest });
    await expect(service.call('getDataset', { dataset: 'trained-on' })).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
  });

  it("collects a removed dataset's shards once they are old, and nothing that another one names", async () => {
    await service.ingest('kept', await pictures(4));
    await service.ingest('dropped', await pictures(6), { modality: 'ct', bodyPart: 'chest' });
    const { manifest } = await resolveDataset(store, 'dropped');
    await service.call('removeDataset', { dataset: 'dropped', force: false });

    const collect = (dryRun: boolean) => service.call('collectGarbage', { dryRun, olderThanHours: 0n });
    expect((await collect(false)).objects).toBe(0n);
    await makeOld(join(service.data, 'store', 'blobs'));
    const planned = await collect(true);
    expect(planned.objects).toBeGreaterThanOrEqual(BigInt(manifest.shards.length));
    expect(await collect(false)).toEqual(planned);
    for (const { sha256 } of manifest.shards) expect(await store.head(blobKey(sha256))).toBeUndefined();
    expect((await service.verify('kept')).verification.faults).toEqual([]);
    expect((await collect(false)).objects).toBe(0n);
  });

  it('refuses to collect what is younger than a day', async () => {
    await expect(service.call('collectGarbage', { dryRun: true, olderThanHours: 1n })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('older_than_hours: expected at least 24'),
    });
  });
});

async function makeOld(folder: string): Promise<void> {
  const then = new Date(Date.now() - 48 * 60 * 60 * 1000);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) await utimes(join(entry.parentPath, entry.name), then, then);
}
