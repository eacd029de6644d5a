import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { credentials, type ServiceError, status } from '@grpc/grpc-js';
import { measureFusions } from '@medformer/brainfuse';
import { isReferred, writeCheckpoint } from '@medformer/checkpoint';
import { getFusionQuality, writeDataset } from '@medformer/dataset';
import {
  AugmentationServiceClient,
  MeasureFusionsRequest,
  type MeasureFusionsResponse,
  TrainGeneratorRequest,
} from '@medformer/gen/augmentation';
import { INPUT_STATISTICS, Medformer } from '@medformer/medformer';
import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import { baseConfig, type RunningService, runService } from '@medformer/rpc';
import { FusionQuality, FusionSpec, parseRecord, RunSpec } from '@medformer/schema';
import { useBackend } from '@medformer/tensorflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { augmentation } from './index.js';
import { cohort, description, stored } from './testing/brains.js';

let folder: string;
let store: ObjectStore;
let dataset: string;
let checkpoint: string;
let service: RunningService;
let client: AugmentationServiceClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'measure-fusions-'));
  const url = pathToFileURL(folder).href;
  store = await openObjectStore({ url });
  dataset = (await writeDataset(store, description(), cohort())).hash;
  checkpoint = await untrained();
  const config = baseConfig.parse({ store: url, port: 0, metricsPort: 0, logLevel: 'fatal' });
  service = await runService('augmentation', [augmentation], config);
  client = new AugmentationServiceClient(`127.0.0.1:${service.port}`, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await service.close();
  await rm(folder, { recursive: true });
});

describe('MeasureFusions', () => {
  it('answers what the library measures of the same data, spec and count', async () => {
    const spec = { sources: [2, 4], seed: 5 };
    const { record, progress } = await measured({ spec, count: 5 });
    const rows = await measureFusions({
      images: cohort()
        .map(stored)
        .filter((image) => image.record.split === 'train'),
      spec: FusionSpec.parse(spec),
      count: 5,
      turn: async () => {},
    });

    expect(record).toMatchObject({ datasetName: 'brains', synthetic: true, rows });
    expect(rows.map(({ sources, images, patients }) => [sources, images, patients])).toEqual([
      [2, 9, 9],
      [4, 9, 9],
    ]);
    expect(progress.at(-1)).toEqual({ stage: 'fusing', done: 10n, total: 10n });
  });

  it('measures repaired fusions and embeddings once, and finds them for an equal request', async () => {
    const spec = { sources: [2], generator: await generator() };
    const request = { spec, count: 6, checkpoint, dimensions: 2 };
    const first = await measured(request);
    const again = await measured({ ...request, dataset: 'brains' });

    const [row] = first.record.rows;
    expect(row!.seam.ratio).toBeGreaterThan(0);
    expect(row!.drift!.largest).toBeGreaterThanOrEqual(row!.drift!.mean);
    expect(row!.frechet).toMatchObject({ images: 4, width: 24 });
    expect(row!.frechet!.distance).toBeGreaterThan(0);
    expect(row!.frechet!.real).toBeGreaterThan(0);
    expect(first.progress.map(({ stage }) => stage)).toContain('embedding');
    expect(again).toEqual({ ...first, progress: [] });
    expect((await getFusionQuality(store, first.quality)).quality).toEqual(first.record);
    expect(await isReferred(store, checkpoint)).toBe(true);
    expect(await isReferred(store, spec.generator)).toBe(true);
  }, 60_000);

  it('stops when the caller leaves', async () => {
    const call = client.measureFusions(
      MeasureFusionsRequest.fromPartial({ dataset, spec: { sources: [9] }, count: 4096 }),
    );
    const failed = new Promise<ServiceError>((resolve) => call.on('error', resolve));
    call.once('data', () => call.cancel());
    expect((await failed).code).toBe(status.CANCELLED);
  });

  it.each<[string, Partial<MeasureFusionsRequest>, status, RegExp]>([
    ['an unknown data set', { dataset: 'nowhere' }, status.NOT_FOUND, /^dataset nowhere: not in the store$/],
    ['a single fusion', { count: 1 }, status.INVALID_ARGUMENT, /^request: count/],
    [
      'a checkpoint that is not there',
      { spec: { sources: [2] }, checkpoint: 'c'.repeat(64) },
      status.NOT_FOUND,
      /^checkpoint c{64}: not in the store$/,
    ],
    ['axes that no image has', { dimensions: 3 }, status.FAILED_PRECONDITION, /found 0$/],
    ['a spec with an unknown field', { spec: { patients: 3 } }, status.INVALID_ARGUMENT, /patients/],
  ])('refuses %s', async (_, request, code, details) => {
    await expect(measured(request)).rejects.toMatchObject({ code, details: expect.stringMatching(details) });
  });
});

async function measured(request: Partial<MeasureFusionsRequest>) {
  const responses: MeasureFusionsResponse[] = [];
  for await (const response of client.measureFusions(
    MeasureFusionsRequest.fromPartial({ dataset, ...request }),
  ))
    responses.push(response);
  const events = responses.map(({ event }) => event);
  const finished = events.flatMap((event) => (event?.$case === 'finished' ? [event.value] : []));
  const { quality, record } = finished[0]!;
  return {
    quality,
    record: parseRecord(FusionQuality, record, 'quality'),
    progress: events.flatMap((event) => (event?.$case === 'progress' ? [event.value] : [])),
  };
}

async function generator(): Promise<string> {
  const spec = { fusion: { sources: [2] }, steps: 2, batchSize: 2, network: { width: 4, levels: 1 } };
  let address = '';
  for await (const { event } of client.trainGenerator(TrainGeneratorRequest.fromPartial({ dataset, spec })))
    if (event?.$case === 'generator') address = event.value;
  return address;
}

/** A checkpoint as training writes one, of a network with random weights. */
async function untrained(): Promise<string> {
  await useBackend();
  const spec = RunSpec.parse({
    dataset,
    method: { name: 'simclr' },
    model: { width: 24, depth: 1, heads: 3, latents: 4, mlpRatio: 2, patch2d: 4, patch3d: 8, frequencies: 2 },
    steps: 1,
    codeVersion: 'test',
  });
  const codes = { modalities: ['mri'], bodyParts: ['head'], tasks: [] };
  const model = new Medformer(spec.model, codes, [], { seed: 0 });
  const weights = model.parameters.toStored();
  model.dispose();
  return writeCheckpoint(store, spec, codes, INPUT_STATISTICS, {
    step: 1,
    weights,
    optimiser: new Map(),
    history: [{ step: 1, loss: 1, learningRate: 0, gradientNorm: 0 }],
  });
}
