import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { blobKey, type ObjectStore, openObjectStore } from '@medformer/object-store';
import { DataReportSpec, Rng, type Split, sha256 } from '@medformer/schema';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type DatasetImage,
  describeDatasets,
  findLeakage,
  judgeLeakage,
  knownLeakage,
  resolveDataset,
  writeDataset,
} from './index.js';

let folder: string;
let store: ObjectStore;
let clean: string;
let other: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'data-report-'));
  store = await openObjectStore({ url: pathToFileURL(folder).href });
  const images = cohort('clean', 12);
  clean = (await writeDataset(store, description('clean'), images)).hash;
  const copies = cohort('other', 12);
  // A training image of the one among the images to test on of the other.
  copies[11]!.pixels = images[0]!.pixels;
  other = (await writeDataset(store, description('other'), copies)).hash;
});
afterAll(() => rm(folder, { recursive: true }));

it('finds a copy in another data set, in whatever order they are named, and says how to allow it', async () => {
  const options = { codeVersion: 'one' };
  expect(await knownLeakage(store, [clean, other], 'one')).toBeUndefined();
  expect(await findLeakage(store, [clean], options)).toBeUndefined();
  expect(await findLeakage(store, [other], options)).toBeUndefined();
  const leakage = await findLeakage(store, [clean, other], options);

  const id = (of: string, image: number) => sha256(`${of} ${image}`).slice(0, 16);
  expect(leakage).toMatch(/1 pair of images stands in two splits/);
  expect(leakage).toContain(`clean ${id('clean', 0)} (train)`);
  expect(leakage).toContain(`other ${id('other', 11)} (test)`);
  expect(await knownLeakage(store, [other, clean], 'one')).toBe(leakage);
  expect(judgeLeakage(leakage, 'warn')).toBe(leakage);
  expect(() => judgeLeakage(leakage)).toThrow(
    expect.objectContaining({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('`leakage: warn`'),
    }),
  );
  expect(judgeLeakage(undefined)).toBeUndefined();
});

it('is made once per code, and then found without its images', async () => {
  const spec = DataReportSpec.parse({ datasets: [clean] });
  const seen: number[] = [];
  const made = await describeDatasets(store, spec, {
    codeVersion: 'two',
    onProgress: (done) => seen.push(done),
  });
  const { manifest } = await resolveDataset(store, clean);
  for (const shard of manifest.shards) await store.delete(blobKey(shard.sha256));

  expect(seen.at(-1)).toBe(12);
  expect(await describeDatasets(store, spec, { codeVersion: 'two' })).toEqual(made);
  await expect(describeDatasets(store, spec, { codeVersion: 'three' })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
});

function cohort(name: string, images: number): DatasetImage[] {
  return Array.from({ length: images }, (_, image) => {
    const rng = Rng.of(name, image);
    const split: Split = image < images / 2 ? 'train' : 'test';
    return {
      id: sha256(`${name} ${image}`).slice(0, 16),
      subject: `${name} ${image}`,
      split,
      modality: 'ct',
      bodyPart: 'head',
      shape: [16, 16, 1],
      pixelType: 'uint8' as const,
      labels: {},
      source: sha256(`source of ${name} ${image}`),
      pixels: Uint8Array.from({ length: 256 }, () => rng.integer(256)),
    };
  });
}

function description(name: string) {
  return {
    name,
    description: '',
    source: { format: 'generated', synthetic: true, digest: sha256(name), files: 1, bytes: 1 },
    deidentification: { profile: 'none', notes: [] },
    normalisation: {},
    splits: { policy: 'by-subject' as const, seed: 0 },
    labelSpaces: [],
    codeVersion: 'test',
  };
}
