import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { loadImages, resolveDataset } from '@medformer/dataset';
import type { IngestRequest, IngestResponse } from '@medformer/gen/ingestion';
import { encodeZip, type NpyPart } from '@medformer/imaging';
import { openObjectStore } from '@medformer/object-store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { announce, contents, folderFiles, listing, nifti, noise, npz, pictures } from './spec/files.js';
import { childOf, NO_OPTIONS, PHANTOM, type Service, startService, uploaded } from './spec/service.js';

const REAL_IMAGES = fileURLToPath(new URL('../../../e2e/fixtures/real-images', import.meta.url));

let root: string;
let service: Service;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'ingestion-'));
  service = await startService(join(root, 'data'));
});
afterAll(async () => {
  await service.stop();
  await rm(root, { recursive: true, force: true });
});

describe('IngestionService', () => {
  it('makes the real images of five formats a dataset in which no patient is named', async () => {
    const files = await folderFiles(REAL_IMAGES);
    const { dataset } = await service.ingest('real-images', files);
    expect(dataset).toMatchObject({ images: 5n, subjects: 5n, alreadyPresent: false });

    const store = await openObjectStore({ url: pathToFileURL(join(service.data, 'store')).href });
    const { manifest } = await resolveDataset(store, 'real-images');
    const groups = await loadImages(store, manifest);
    const shapes = groups.map(({ shape, pixelType }) => `${pixelType} ${shape.join('x')}`).sort();
    expect(shapes).toEqual([
      'uint16 128x128x1',
      'uint16 16x16x1',
      'uint16 25x41x33x1',
      'uint16 64x64x1',
      'uint8 102x102x1',
    ]);
    // What the bundled files call their patients, and how they are named themselves.
    const stored = await contents(join(service.data, 'store'));
    for (const secret of [
      'Doe',
      'Archibald',
      '77654033',
      'CompressedSamples',
      '1CT1',
      '4MR1',
      'CT_small',
      'anatomical',
    ]) {
      expect(stored.includes(secret)).toBe(false);
      expect(service.log()).not.toContain(secret);
    }
  });

  it('names the dataset that is there already, by listing, name and address', async () => {
    const files = await pictures(12);
    const first = await service.ingest('twice', files);
    const again = await service.ingest('twice', files);
    expect(again.dataset).toEqual({ ...first.dataset, alreadyPresent: true });
    const other = await service.ingest('twice', files, { splitSeed: 5n });
    expect(other.dataset!.manifest).not.toBe(first.dataset!.manifest);
    const { datasets } = await service.call('listDatasets', {});
    expect(datasets.filter(({ name }) => name === 'twice')).toHaveLength(2);
    for (const dataset of [first.dataset!.manifest, `twice@${first.dataset!.manifest}`]) {
      const found = await service.call('getDataset', { dataset });
      expect(found.manifest).toBe(first.dataset!.manifest);
      expect(found.record).toMatchObject({ kind: 'medformer.dataset.v1', name: 'twice' });
    }
    await expect(service.call('getDataset', { dataset: 'nowhere' })).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
  });

  it('reports progress with rate and time left', async () => {
    const { events } = await service.ingest('progress', await pictures(30));
    const progress = events.flatMap(({ event }) => (event?.$case === 'progress' ? [event.value] : []));
    expect(progress.at(-1)).toMatchObject({
      stage: 'write',
      done: 30n,
      total: 30n,
      unit: 'images',
      etaSeconds: 0,
    });
    expect(progress.at(-1)!.perSecond).toBeGreaterThan(0);
  });

  it('generates the phantom cohort, says that it is synthetic, and does not generate it twice', async () => {
    const phantom = { ...PHANTOM, seed: 3n, patients: 4, volumePatients: 1 };
    const request = { name: 'tiny-phantom', source: { $case: 'phantom', value: phantom } } as const;
    const { dataset, events } = await service.stream({ ...request, options: undefined });
    expect(dataset).toMatchObject({ images: 50n, subjects: 4n, alreadyPresent: false });
    const stages = new Set(
      events.flatMap(({ event }) => (event?.$case === 'progress' ? [event.value.stage] : [])),
    );
    expect([...stages]).toEqual(['generate', 'read', 'write']);
    const { record } = await service.call('getDataset', { dataset: 'tiny-phantom' });
    expect(record!.source).toMatchObject({ synthetic: true, format: 'image-folder' });
    const again = await service.stream({ ...request, options: undefined });
    expect(again.dataset).toEqual({ ...dataset, alreadyPresent: true });
    expect(
      again.events.some(({ event }) => event?.$case === 'progress' && event.value.stage === 'generate'),
    ).toBe(false);
  });

  it('generates a cohort of patient groups, every group in every split, and refuses what makes none', async () => {
    const groups = { groups: 3, train: 2, val: 1, test: 1, levels: [], sequences: [], volumes: false };
    const source = { $case: 'phantom', value: { ...PHANTOM, seed: 3n, groups } } as const;
    const { dataset } = await service.stream({ name: 'tiny-groups', source, options: undefined });
    expect(dataset).toMatchObject({ images: 12n, subjects: 12n });
    const { record } = await service.call('getDataset', { dataset: 'tiny-groups' });
    expect(record).toMatchObject({ splits: { policy: 'given' }, source: { synthetic: true } });
    expect(record!.census.labels.group).toEqual({ train: [2, 2, 2], val: [1, 1, 1], test: [1, 1, 1] });
    const odd = { ...source, value: { ...source.value, groups: { ...groups, sequences: ['flair'] } } };
    await expect(service.stream({ name: 'odd', source: odd, options: undefined })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: 'request: phantom.groups.sequences: expected t1, t2, found flair',
    });
  });

  it('takes the same subjects in other shapes, in the same splits', async () => {
    const usual = { ...PHANTOM, seed: 3n, patients: 4, volumePatients: 1 };
    const other = { ...usual, imageShape: [20, 20], volumeShape: [40, 28, 20] };
    const cohorts = [usual, other].map(async (value, at) => {
      const source = { $case: 'phantom', value } as const;
      const { dataset } = await service.stream({ name: `shape-${at}`, source, options: undefined });
      return (await service.call('getDataset', { dataset: dataset!.manifest })).record!;
    });
    const [before, after] = await Promise.all(cohorts);
    expect(after!.census.shapes).toMatchObject([
      { shape: [40, 28, 20, 1], images: 10 },
      { shape: [20, 20, 1], images: 40 },
    ]);
    for (const key of ['images', 'subjects', 'modalities', 'bodyParts'])
      expect(after!.census[key]).toEqual(before!.census[key]);
  });

  it('leaves bad files out where asked and tells each', async () => {
    const files = {
      ...(await pictures(5)),
      'bad.png': Buffer.from('no picture'),
      'x.bmp': Buffer.from('BM*'),
    };
    const { dataset, events } = await service.ingest('some-bad', files, { skipBadFiles: true });
    expect(dataset!.images).toBe(5n);
    const refused = events.flatMap(({ event }) => (event?.$case === 'refused' ? [event.value] : []));
    expect(refused.map(({ path }) => path)).toEqual(['x.bmp', 'bad.png']);
    for (const { reason } of refused) expect(reason).toMatch(/: expected .*, found /);
  });
});

describe('IngestionService, given bad input,', () => {
  const changed = (name: string, part: Partial<NpyPart>) => () => npz({ [name]: part });
  it.each<[what: string, file: string, bytes: () => Uint8Array, says: RegExp]>([
    [
      'a truncated npz',
      'a.npz',
      () => npz({}).subarray(0, 500),
      /^a\.npz: zip end record: expected .*, found/,
    ],
    [
      'an npz of the wrong dtype',
      'a.npz',
      changed('val_images', { descr: '<f8', shape: [3, 14, 7] }),
      /^a\.npz: val_images: expected dtype uint8, found dtype f8/,
    ],
    [
      'an object array',
      'a.npz',
      changed('train_images', { descr: '|O' }),
      /^a\.npz: train_images\.npy: expected a numeric dtype, found/,
    ],
    [
      'a zip bomb',
      'a.npz',
      () => encodeZip({ 'train_images.npy': Buffer.alloc(80_000_000) }),
      /^a\.npz: train_images\.npy: expected at most .*, found 80000000 declared/,
    ],
    [
      '4-D where 3-D is due',
      'breastmnist.npz',
      changed('all', { shape: [28, 1, 28] }),
      /^breastmnist\.npz: train_images: expected \(n, h, w\) for breastmnist, found \(\d, 28, 1, 28\)/,
    ],
    [
      'a label out of range',
      'breastmnist.npz',
      changed('test_labels', { data: Uint8Array.of(0, 2) }),
      /^breastmnist\.npz: test_labels: expected labels from 0 to 1, found 2/,
    ],
    [
      'an empty split',
      'a.npz',
      changed('test_images', { shape: [0, 28, 28], data: new Uint8Array() }),
      /^a\.npz: test_images: expected at least one image, found/,
    ],
    [
      '10 GB declared in 1 KB',
      'a.npz',
      changed('train_images', { shape: [12_800_000, 28, 28] }),
      /^a\.npz: train_images\.npy: expected 10035200000 bytes .*, found/,
    ],
    [
      '10 GB declared in a NIfTI of 1 KB',
      'a.nii',
      () => nifti([2048, 2048, 1200]),
      /^a\.nii: dim: expected at most .*, found 2048 x 2048 x 1200/,
    ],
    [
      'NaN voxels',
      'a.nii.gz',
      () => gzipSync(nifti([4, 4, 4], Number.NaN)),
      /^a\.nii\.gz: voxels: expected finite numbers, found NaN at/,
    ],
    [
      'infinite voxels',
      'a.nii',
      () => nifti([4, 4, 4], Number.NEGATIVE_INFINITY),
      /^a\.nii: voxels: expected finite numbers, found -Infinity at/,
    ],
    [
      'an unreadable PNG',
      'a.png',
      () => Buffer.from('\x89PNG no more'),
      /^a\.png: image: expected a whole PNG, JPEG or TIFF image, found/,
    ],
    ['a DICOM file without pixels', 'a.dcm', () => Buffer.alloc(300), /^a\.dcm: .*: expected .*, found/],
  ])(
    'refuses %s by file, field, expected and found, and leaves the store as it was',
    async (_, name, bytes, says) => {
      const before = await listing(join(service.data, 'store'));
      const refusal = service.ingest('bad', { [name]: bytes() });
      await expect(refusal).rejects.toMatchObject({
        code: status.INVALID_ARGUMENT,
        details: expect.stringMatching(says),
      });
      expect(await listing(join(service.data, 'store'))).toEqual(before);
    },
  );

  it('refuses one bad picture among good ones with everything', async () => {
    const before = await listing(join(service.data, 'store', 'datasets'));
    const files = { ...(await pictures(6)), 'z.png': Buffer.from('no picture') };
    await expect(service.ingest('one-bad', files)).rejects.toMatchObject({
      details: expect.stringMatching(/^z\.png: image:/),
    });
    expect(await listing(join(service.data, 'store', 'datasets'))).toEqual(before);
  });

  it.each<[what: string, request: Partial<IngestRequest>, says: RegExp]>([
    ['a name that is no slug', { name: 'My Set' }, /^request: name: expected lower-case words/],
    ['a name that is a hash', { name: 'a'.repeat(64) }, /^request: name: expected a name that is no hash/],
    ['no source', {}, /^request: source: expected upload_id or phantom, found neither/],
    [
      'shares above one',
      { options: { ...NO_OPTIONS, valFraction: 0.6, testFraction: 0.5 } },
      /^request: options: expected .* below 1/,
    ],
    [
      'more volumes than patients',
      { source: { $case: 'phantom', value: { ...PHANTOM, seed: 1n, patients: 2, volumePatients: 3 } } },
      /found/,
    ],
    [
      'an image shape of three edges',
      {
        source: { $case: 'phantom', value: { ...PHANTOM, seed: 1n, patients: 2, imageShape: [20, 20, 20] } },
      },
      /^request: phantom\.image_shape: expected 2 edges, found 3/,
    ],
    [
      'images of a single pixel',
      { source: { $case: 'phantom', value: { ...PHANTOM, seed: 1n, patients: 2, imageShape: [1, 1] } } },
      /imageShape: expected 8 to 1024, found 1/,
    ],
  ])('refuses %s', async (_, request, says) => {
    const call = service.stream({ name: 'x', source: undefined, options: undefined, ...request });
    await expect(call).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(says),
    });
  });
});

describe('uploads', () => {
  it('refuse paths that leave the folder or cannot be files together', async () => {
    for (const path of [
      '../x.png',
      '/etc/passwd',
      'a/../../x',
      'a//b',
      './a',
      'a\\b',
      '',
      'a\0b',
      `${'x'.repeat(300)}.png`,
    ]) {
      const refusal = service.call('beginUpload', {
        direct: false,
        files: [announce(path, Buffer.from('x'))],
      });
      await expect(refusal, path).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    }
    const pair = (x: string, y: string) => ({
      direct: false,
      files: [announce(x, Buffer.from('x')), announce(y, Buffer.from('y'))],
    });
    await expect(service.call('beginUpload', pair('a', 'a/b'))).rejects.toThrow(
      /a\/b: path: expected a to be a folder/,
    );
    await expect(service.call('beginUpload', pair('a', 'a'))).rejects.toThrow(
      /a: path: expected every path once/,
    );
  });

  it('go on from the byte where they broke', async () => {
    const bytes = noise(300_000);
    const files = [announce('big.png', bytes)];
    const begun = await service.call('beginUpload', { direct: false, files });
    await service.send(begun.uploadId, 'big.png', 0, [bytes.subarray(0, 100_000)]);
    await expect(service.stream(uploaded('x', begun.uploadId))).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: expect.stringContaining('big.png is not uploaded whole yet'),
    });
    const resumed = await service.call('beginUpload', { direct: false, files });
    expect(resumed).toEqual({
      uploadId: begun.uploadId,
      missing: [{ path: 'big.png', offsetBytes: 100_000n, putUrl: '' }],
    });
    await service.send(begun.uploadId, 'big.png', 100_000, [bytes.subarray(100_000)]);
    expect((await service.call('beginUpload', { direct: false, files })).missing).toEqual([]);
  });

  it('refuse bytes of another hash, more bytes than announced, offsets beyond, and start over after it', async () => {
    const bytes = noise(5000);
    const { uploadId } = await service.call('beginUpload', {
      direct: false,
      files: [announce('x.png', bytes)],
    });
    const send = (offset: number, chunk: Uint8Array) => service.send(uploadId, 'x.png', offset, [chunk]);
    await expect(
      send(
        0,
        bytes.map((byte) => byte ^ 1),
      ),
    ).rejects.toThrow(/x\.png: content: expected SHA-256/);
    await expect(send(0, Buffer.concat([bytes, bytes]))).rejects.toThrow(
      /x\.png: size: expected 5000 bytes as announced/,
    );
    await expect(send(9000, bytes)).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
    await expect(service.send(uploadId, 'y.png', 0, [bytes])).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
    await expect(service.send('f'.repeat(64), 'x.png', 0, [bytes])).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
    await send(0, bytes);
    expect(
      (await service.call('beginUpload', { direct: false, files: [announce('x.png', bytes)] })).missing,
    ).toEqual([]);
  });
});

describe('an ingest that is stopped', () => {
  const large = () => ({ 'large.npz': npz({}, 8000) });

  it('by its caller leaves no dataset, and the next gives one', async () => {
    const uploadId = await service.upload(large());
    const call = service.client.ingest(uploaded('cancelled', uploadId));
    call.on('data', ({ event }: IngestResponse) => {
      if (event?.$case === 'progress') call.cancel();
    });
    const [error] = await once(call, 'error');
    expect(error).toMatchObject({ code: status.CANCELLED });
    const other = await service.ingest('beside', await pictures(4));
    expect(other.dataset!.images).toBe(4n);
    await expect(service.call('getDataset', { dataset: 'cancelled' })).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
    expect((await service.stream(uploaded('cancelled', uploadId))).dataset!.images).toBe(8005n);
  });

  it('by SIGKILL of its process, then of the service, shows nothing half done, and ends with the hash that any place gives', async () => {
    const files = large();
    const expected = (await service.ingest('killed', files)).dataset!.manifest;
    const data = join(root, 'elsewhere');
    const first = await startService(data);
    const child = first.ingest('killed', files).catch((error: unknown) => error);
    await shardsIn(data, 2, child);
    process.kill(await childOf(first.process.pid!), 'SIGKILL');
    await child;
    await onlyWhole(first, expected);
    const ingest = first.ingest('killed', files).catch((error: unknown) => error);
    await shardsIn(data, 5, ingest);
    first.process.kill('SIGKILL');
    await ingest;
    const next = await startService(data);
    try {
      await onlyWhole(next, expected);
      expect((await next.ingest('killed', files)).dataset!.manifest).toBe(expected);
      await loadWhole(data);
    } finally {
      await next.stop();
    }
  }, 300_000);
});

async function onlyWhole(running: Service, expected: string): Promise<void> {
  const { datasets } = await running.call('listDatasets', {});
  expect(datasets.every(({ manifest }) => manifest === expected)).toBe(true);
}

/** Resolves when so many shards are in the store, or the ingest has ended. */
async function shardsIn(data: string, count: number, ingest: Promise<unknown>): Promise<void> {
  let ended = false;
  void ingest.then(() => {
    ended = true;
  });
  while (!ended && (await listing(join(data, 'store', 'blobs'))).length < count) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Every image of the dataset, each shard checked against its hash. */
async function loadWhole(data: string): Promise<void> {
  const store = await openObjectStore({ url: pathToFileURL(join(data, 'store')).href });
  const { manifest } = await resolveDataset(store, 'killed');
  const groups = await loadImages(store, manifest);
  expect(groups.reduce((sum, { records }) => sum + records.length, 0)).toBe(8005);
}
