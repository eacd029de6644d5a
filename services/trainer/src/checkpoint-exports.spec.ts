import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { credentials, status } from '@grpc/grpc-js';
import { loadCheckpoint, putRunSpec, writeCheckpoint } from '@medformer/checkpoint';
import {
  type ExportCheckpointRequest,
  type ExportCheckpointResponse,
  ExportFormat,
  type ExportManifest,
  TrainerServiceClient,
} from '@medformer/gen/trainer';
import { INPUT_STATISTICS, Medformer } from '@medformer/medformer';
import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import { baseConfig, type RunningService, runService } from '@medformer/rpc';
import { decodeSafetensors, parseRecord, RunSpec, runId, sha256 } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { MODEL } from '../spec/stripes.js';
import { trainerConfig } from './config.js';
import { trainer } from './index.js';

const CODES = { modalities: ['ct', 'mri'], bodyParts: [], tasks: ['finding'] };

let folder: string;
/** Where this process keeps temporary files. */
let spool: string;
let store: ObjectStore;
let service: RunningService;
let client: TrainerServiceClient;
let run: string;
let checkpoint: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'checkpoint-exports-'));
  spool = join(folder, 'spool');
  await mkdir(spool);
  vi.stubEnv('TMPDIR', spool);
  const url = pathToFileURL(join(folder, 'store')).href;
  store = await openObjectStore({ url });
  await useBackend();
  ({ run, checkpoint } = await writeTrained(store));
  const config = baseConfig
    .extend(trainerConfig)
    .parse({ store: url, port: 0, metricsPort: 0, logLevel: 'fatal', trainerThreads: 1 });
  service = await runService('trainer', [trainer], config);
  client = new TrainerServiceClient(`127.0.0.1:${service.port}`, credentials.createInsecure());
});
afterAll(async () => {
  await service.close();
  client.close();
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

describe('an export', () => {
  it('is a model that embeds as the checkpoint does', async () => {
    const exported = await exportOf({ shape: [12, 12, 1], modality: 'mri', task: 'finding' });
    const session = await ort.InferenceSession.create(exported.files['model.onnx']!);
    const pixels = Float32Array.from({ length: 3 * 144 }, (_, index) => (index % 17) / 17);
    const outputs = await session.run({ pixels: new ort.Tensor('float32', pixels, [3, 12, 12, 1]) });

    const { record, weights } = await loadCheckpoint(store, checkpoint);
    const model = Medformer.fromCheckpoint(record, weights);
    const x = tf.tensor(pixels, [3, 12, 12, 1]);
    const names = { modality: ['mri', 'mri', 'mri'] };
    expect(distance(outputs.embedding!, model.embed(x, names))).toBeLessThan(1e-4);
    expect(distance(outputs.logits!, model.predict(x, 'finding', names))).toBeLessThan(1e-4);
  });

  it('of a run is that of its newest checkpoint', async () => {
    const wanted = { shape: [12, 12, 1] };
    const ofRun = await exportOf({ ...wanted, source: { $case: 'run', value: run } });
    expect(ofRun).toEqual(await exportOf(wanted));
    expect(ofRun.manifest.checkpoint).toBe(checkpoint);
  });

  it('arrives file by file, as its manifest says', async () => {
    const format = ExportFormat.EXPORT_FORMAT_SAVED_MODEL;
    const { manifest, files } = await exportOf({ format, shape: [6, 12, 12, 1], batch: 2 });

    expect(Object.keys(files)).toEqual(['saved_model.pb', 'assets.extra/medformer.json']);
    for (const { path, bytes, sha256: hash } of manifest.files) {
      expect(files[path]).toHaveLength(Number(bytes));
      expect(sha256(files[path]!)).toBe(hash);
    }
    expect(JSON.parse(files['assets.extra/medformer.json']!.toString())).toMatchObject({
      checkpoint,
      run,
      signature: { shape: [6, 12, 12, 1], batch: 2 },
    });
  });

  it('as safetensors has the bytes of the store and a sidecar that says what they are', async () => {
    const { files } = await exportOf({ format: ExportFormat.EXPORT_FORMAT_SAFETENSORS });
    const { record } = await loadCheckpoint(store, checkpoint);

    expect(sha256(files['weights.safetensors']!)).toBe(record.weights[0]!.sha256);
    const sidecar = JSON.parse(files['medformer.json']!.toString());
    expect(sidecar).toMatchObject({
      checkpoint,
      run,
      dataset: record.dataset,
      weights: [record.weights[0]!.sha256],
      model: MODEL,
      codes: CODES,
      input: { range: [0, 1], ...INPUT_STATISTICS },
    });
    const { tensors } = decodeSafetensors(files['weights.safetensors']!, 'weights');
    expect(Object.values<string[]>(sidecar.parts).flat().sort()).toEqual([...tensors.keys()].sort());
  });

  it('leaves nothing on disk, also when the caller goes away', async () => {
    const call = client.exportCheckpoint(requestOf({ shape: [12, 12, 1] }));
    const ended = once(call, 'error');
    call.resume();
    await until(async () => (await exportsOnDisk()).length > 0);
    call.cancel();
    await ended;
    // Exports wait for each other: this one begins when the other has ended.
    await exportOf({ format: ExportFormat.EXPORT_FORMAT_SAFETENSORS });
    await until(async () => (await exportsOnDisk()).length === 0);
  });
});

describe('a request', () => {
  const unknown = sha256('unknown');
  it.each<[string, Partial<ExportCheckpointRequest>, number, string | RegExp]>([
    [
      'for an unknown checkpoint',
      { source: { $case: 'checkpoint', value: unknown } },
      status.NOT_FOUND,
      `checkpoint ${unknown}: not in the store`,
    ],
    [
      'for an unknown run',
      { source: { $case: 'run', value: unknown } },
      status.NOT_FOUND,
      `run ${unknown}: not in the store`,
    ],
    [
      'without a checkpoint',
      { source: undefined },
      status.INVALID_ARGUMENT,
      /^checkpoint: .*64 lower-case hex/,
    ],
    [
      'without a format',
      { format: 0 },
      status.INVALID_ARGUMENT,
      'request: format: expected onnx, saved-model or safetensors, found EXPORT_FORMAT_UNSPECIFIED',
    ],
    ['with a shape that is no image', { shape: [12, 12] }, status.INVALID_ARGUMENT, /^export: shape: /],
    [
      'for a body part without a code',
      { shape: [12, 12, 1], bodyPart: 'head' },
      status.INVALID_ARGUMENT,
      /^export: bodyPart: expected none \(none: the shared code\), found head$/,
    ],
    [
      'for the weights of one shape',
      { format: ExportFormat.EXPORT_FORMAT_SAFETENSORS, shape: [12, 12, 1] },
      status.INVALID_ARGUMENT,
      /^export: shape: no such key$/,
    ],
  ])('%s is refused, naming it', async (_, change, code, details) => {
    await expect(exportOf(change)).rejects.toMatchObject({ code, details: expect.stringMatching(details) });
  });

  it('for a run without a checkpoint is refused', async () => {
    const id = await putRunSpec(store, specOf(2));
    await expect(exportOf({ source: { $case: 'run', value: id } })).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: `run ${id}: has no checkpoint yet`,
    });
  });
});

const specOf = (seed: number): RunSpec =>
  parseRecord(
    RunSpec,
    {
      dataset: sha256('dataset'),
      method: { name: 'simclr' },
      model: MODEL,
      seed,
      steps: 5,
      codeVersion: 'test',
    },
    'run',
  );

/** Two checkpoints of a run, as training leaves them. */
async function writeTrained(into: ObjectStore): Promise<{ run: string; checkpoint: string }> {
  const spec = specOf(1);
  await putRunSpec(into, spec);
  let newest = '';
  for (const step of [4, 5]) {
    const model = new Medformer(MODEL, CODES, [{ task: 'finding', classes: 2 }], { seed: step });
    const content = { step, weights: model.parameters.toStored(), optimiser: new Map(), history: [] };
    model.dispose();
    newest = await writeCheckpoint(into, spec, CODES, INPUT_STATISTICS, content);
  }
  return { run: runId(spec), checkpoint: newest };
}

function requestOf(change: Partial<ExportCheckpointRequest>): ExportCheckpointRequest {
  return {
    source: { $case: 'checkpoint', value: checkpoint },
    format: ExportFormat.EXPORT_FORMAT_ONNX,
    shape: [],
    batch: 0,
    modality: '',
    bodyPart: '',
    task: '',
    ...change,
  };
}

async function exportOf(
  change: Partial<ExportCheckpointRequest>,
): Promise<{ manifest: ExportManifest; files: Record<string, Buffer> }> {
  let manifest: ExportManifest | undefined;
  const chunks: Buffer[] = [];
  const call = client.exportCheckpoint(requestOf(change)) as AsyncIterable<ExportCheckpointResponse>;
  for await (const { event } of call) {
    if (event?.$case === 'manifest') manifest = event.value;
    if (event?.$case === 'chunk') chunks.push(event.value);
  }
  const bytes = Buffer.concat(chunks);
  let at = 0;
  const files = (manifest?.files ?? []).map((file) => {
    at += Number(file.bytes);
    return [file.path, bytes.subarray(at - Number(file.bytes), at)];
  });
  expect(at).toBe(bytes.length);
  return { manifest: manifest!, files: Object.fromEntries(files) };
}

async function exportsOnDisk(): Promise<string[]> {
  return (await readdir(spool)).filter((name) => name.startsWith('medformer-export-'));
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(20);
}

function distance(found: ort.Tensor, live: tf.Tensor): number {
  const expected = live.dataSync();
  return (found.data as Float32Array).reduce(
    (most, value, index) => Math.max(most, Math.abs(value - expected[index]!)),
    0,
  );
}
