import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { credentials, type ServiceError, status } from '@grpc/grpc-js';
import { fusionAt, fusionPools } from '@medformer/brainfuse';
import { loadImages, resolveDataset, writeDataset } from '@medformer/dataset';
import {
  AugmentationServiceClient,
  FuseDatasetRequest,
  type FuseDatasetResponse,
  FuseRequest,
  type FuseResponse,
  type Fusion,
  StreamFusionsRequest,
  TrainGeneratorRequest,
  type TrainGeneratorResponse,
} from '@medformer/gen/augmentation';
import type { Tensor } from '@medformer/gen/common';
import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import { baseConfig, type RunningService, runService } from '@medformer/rpc';
import { FusionSpec } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { augmentation } from './index.js';
import { cohort, description, GROUPS, stored } from './testing/brains.js';

let folder: string;
let store: ObjectStore;
let dataset: string;
let service: RunningService;
let client: AugmentationServiceClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fusions-'));
  const url = pathToFileURL(folder).href;
  store = await openObjectStore({ url });
  dataset = (await writeDataset(store, description(), cohort())).hash;
  const config = baseConfig.parse({ store: url, port: 0, metricsPort: 0, logLevel: 'fatal' });
  service = await runService('augmentation', [augmentation], config);
  client = new AugmentationServiceClient(`127.0.0.1:${service.port}`, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await service.close();
  await rm(folder, { recursive: true });
});

describe('Fuse', () => {
  it('answers what the library makes of the same data, spec and number, to the byte', async () => {
    const spec = { sources: [3], seed: 5 };
    const { fusions } = await fuse({ spec, first: 7n, count: 3 });
    const pools = fusionPools(cohort().map(stored), FusionSpec.parse(spec));
    expect(fusions.map(({ index }) => index)).toEqual([7n, 8n, 9n]);
    for (const { index, image, record } of fusions) {
      const own = fusionAt(pools, FusionSpec.parse(spec), GROUPS, Number(index));
      expect(Uint8Array.from(image!.data)).toEqual(own.pixels);
      expect(image!.shape).toEqual(own.record.shape);
      expect(record).toEqual(JSON.parse(JSON.stringify(own.record)));
    }
  });

  it('sends weights that sum to one and the sources that they weigh, if asked', async () => {
    const { fusions } = await fuse({ spec: { sources: [4], harmonise: 'none' }, withSources: true });
    const { weights, sources, image, raw } = fusions[0]!;
    expect(weights?.shape).toEqual([4, 10, 12]);
    expect(raw).toBeUndefined();
    const parts = sources.map(floats);
    const shares = floats(weights!);
    const pixels = image!.data;
    for (let voxel = 0; voxel < 120; voxel += 1) {
      const own = parts.map((_, at) => shares[at * 120 + voxel]!);
      expect(own.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 5);
      const value = own.reduce((sum, share, at) => sum + share * parts[at]![voxel]!, 0);
      expect(Math.abs(pixels[voxel]! / 255 - value)).toBeLessThan(0.51 / 255);
    }
  });

  it('fuses the images that are named', async () => {
    const [one, other] = cohort();
    const { fusions } = await fuse({ imageIds: [one!.id, other!.id] });
    expect(new Set(sourcesOf(fusions[0]!))).toEqual(new Set([one!.source, other!.source]));
  });

  it.each<[string, Partial<FuseRequest>, status, RegExp]>([
    ['an unknown data set', { dataset: 'nowhere' }, status.NOT_FOUND, /^dataset nowhere: not in the store$/],
    ['a spec with an unknown field', { spec: { patients: 3 } }, status.INVALID_ARGUMENT, /^spec: .*patients/],
    [
      'more patients than there are',
      { spec: { sources: [50] } },
      status.FAILED_PRECONDITION,
      /^fusion: split train: expected at least 50 patients .* found 9$/,
    ],
    [
      'an image of the test split',
      { imageIds: [cohort().at(-1)!.id] },
      status.NOT_FOUND,
      /not in the dataset's train split$/,
    ],
    [
      'more fusions than one answer holds',
      { count: 65 },
      status.INVALID_ARGUMENT,
      /count: expected at most 64/,
    ],
    ['a generator that is not there', { spec: { generator: 'a'.repeat(64) } }, status.NOT_FOUND, /a{64}/],
  ])('refuses %s', async (_, request, code, details) => {
    await expect(fuse(request)).rejects.toMatchObject({ code, details: expect.stringMatching(details) });
  });
});

describe('StreamFusions', () => {
  it('sends as many as asked for, the same as one by one', async () => {
    const request = StreamFusionsRequest.fromPartial({ dataset, first: 2n, count: 9n });
    const streamed: Fusion[] = [];
    for await (const { fusion } of client.streamFusions(request)) streamed.push(fusion!);
    expect(streamed.map(({ index }) => index)).toEqual([2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n, 10n]);
    expect(streamed[5]).toEqual((await fuse({ first: 7n })).fusions[0]);
  });

  it('ends when the caller cancels, however many are left', async () => {
    const call = client.streamFusions(StreamFusionsRequest.fromPartial({ dataset, count: 1_000_000_000n }));
    const failed = new Promise<ServiceError>((resolve) => call.on('error', resolve));
    call.once('data', () => call.cancel());
    expect((await failed).code).toBe(status.CANCELLED);
  });
});

describe('FuseDataset', () => {
  it('writes fusions as a data set that names its parent, spec and sources, and no patient', async () => {
    const spec = { sources: [2, 3], seed: 3 };
    const finished = (await fuseDataset({ spec, count: 20n, name: 'fused' })).at(-1)!;
    expect(finished).toMatchObject({ name: 'fused', images: 20n, created: true });
    const { manifest } = await resolveDataset(store, 'fused');
    expect(manifest.fusion).toEqual({ dataset, spec: FusionSpec.parse(spec) });
    expect(manifest.census.images).toEqual({ train: 20 });

    const [group] = await loadImages(store, manifest);
    const streamed = (await fuse({ spec, count: 20 })).fusions;
    const size = 120;
    group!.records.forEach((record, row) => {
      expect(group!.pixels.slice(row * size, (row + 1) * size)).toEqual(
        Uint8Array.from(streamed[row]!.image!.data),
      );
      expect(record.fusion?.index).toBe(row);
      const shares = record.fusion!.sources.map(({ share }) => share);
      expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 6);
    });
    const written = await Promise.all(
      manifest.shards.map(async ({ sha256 }) =>
        (await readFile(await fileOf(folder, sha256))).toString('latin1'),
      ),
    );
    for (const { subject } of cohort()) expect(written.join()).not.toContain(subject);
  });

  it('finds the same fusions again, and makes no other data set of them', async () => {
    const request = { spec: { sources: [2] }, count: 5n, name: 'twice' };
    const first = (await fuseDataset(request)).at(-1)!;
    const again = (await fuseDataset(request)).at(-1)!;
    expect(first.created).toBe(true);
    expect(again).toEqual({ ...first, created: false });
  });

  it('refuses a name of another form, and no fusions at all', async () => {
    await expect(fuseDataset({ count: 1n, name: 'No Slug' })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
    await expect(fuseDataset({ count: 0n, name: 'none' })).rejects.toMatchObject({
      details: 'request: count: expected at least 1, found 0',
    });
  });
});

describe('TrainGenerator', () => {
  const spec = {
    fusion: { sources: [2] },
    steps: 4,
    batchSize: 2,
    network: { width: 4, levels: 1 },
    checkpointEvery: 2,
  };

  it('trains once, is found again, and its fusions differ from raw ones near borders only', async () => {
    const first = await train(spec);
    expect(first.filter(({ event }) => event?.$case === 'progress')).toHaveLength(4);
    const again = await train(spec);
    const [{ event }] = again as [TrainGeneratorResponse];
    expect(again).toHaveLength(1);
    expect(event).toEqual(first.at(-1)!.event);
    const generator = event!.value as string;

    const fusion = { sources: [2], mask: { strategy: 'blocks', cells: 2 }, harmonise: 'none' };
    const [raw] = (await fuse({ spec: fusion })).fusions;
    const [repaired] = (await fuse({ spec: { ...fusion, generator }, withSources: true })).fusions;
    expect(sourcesOf(repaired!)).toEqual(sourcesOf(raw!));
    expect(Uint8Array.from(floats(repaired!.raw!), (value) => Math.round(255 * value))).toEqual(
      Uint8Array.from(raw!.image!.data),
    );
    expect(repaired!.image!.data).not.toEqual(raw!.image!.data);
    // The corner is five voxels and more from the blocks' borders.
    expect(repaired!.image!.data[0]).toBe(raw!.image!.data[0]);
  }, 60_000);

  it('goes on where the caller left it, to the same generator as in one go', async () => {
    const longer = { ...spec, steps: 40, seed: 9 };
    const call = client.trainGenerator(TrainGeneratorRequest.fromPartial({ dataset, spec: longer }));
    const failed = new Promise<ServiceError>((resolve) => call.on('error', resolve));
    let seen = 0;
    call.on('data', () => {
      seen += 1;
      if (seen === 3) call.cancel();
    });
    expect((await failed).code).toBe(status.CANCELLED);
    const rest = await train(longer);
    const steps = rest.flatMap(({ event }) =>
      event?.$case === 'progress' ? [Number(event.value.step)] : [],
    );
    expect(steps[0]).toBeGreaterThan(1);
    expect(steps.at(-1)).toBe(40);

    const { generators } = await new Promise<{ generators: { generator: string }[] }>((resolve, reject) =>
      client.listGenerators({}, (error, response) => (error ? reject(error) : resolve(response))),
    );
    expect(generators.map(({ generator }) => generator)).toContain(rest.at(-1)!.event!.value);
  }, 60_000);
});

function fuse(request: Partial<FuseRequest>): Promise<FuseResponse> {
  return new Promise((resolve, reject) =>
    client.fuse(FuseRequest.fromPartial({ dataset, ...request }), (error, response) =>
      error ? reject(error) : resolve(response),
    ),
  );
}

async function fuseDataset(request: Partial<FuseDatasetRequest>) {
  const events: FuseDatasetResponse[] = [];
  for await (const response of client.fuseDataset(FuseDatasetRequest.fromPartial({ dataset, ...request })))
    events.push(response);
  return events.flatMap(({ event }) => (event?.$case === 'finished' ? [event.value] : []));
}

async function train(spec: Record<string, unknown>): Promise<TrainGeneratorResponse[]> {
  const responses: TrainGeneratorResponse[] = [];
  for await (const response of client.trainGenerator(TrainGeneratorRequest.fromPartial({ dataset, spec })))
    responses.push(response);
  return responses;
}

function sourcesOf({ record }: Fusion): string[] {
  const { sources } = (record as { fusion: { sources: { source: string }[] } }).fusion;
  return sources.map(({ source }) => source);
}

function floats({ data }: Tensor): Float32Array {
  return new Float32Array(Uint8Array.from(data).buffer);
}

/** The store's file whose name ends so. */
async function fileOf(root: string, ending: string): Promise<string> {
  const files = await readdir(root, { recursive: true });
  return join(root, files.find((file) => file.endsWith(ending))!);
}
