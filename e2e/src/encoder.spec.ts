import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, type ServiceError, status } from '@grpc/grpc-js';
import { DataType } from '@medformer/gen/common';
import {
  EncodeRequest,
  type EncodeResponse,
  EncoderServiceClient,
  type EncodeStreamRequest,
  type EncodeStreamResponse,
} from '@medformer/gen/encoder';
import { Rng } from '@medformer/schema';
import { execa } from 'execa';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkHealth } from './harness/health.js';
import { medformer, medformerJson } from './harness/medformer.js';
import { medmnistMembers, npz } from './harness/npz.js';
import { freePort, ROOT, type Services, startEncoder, startStandalone } from './harness/services.js';
import { descendants } from './harness/training.js';

const SETTINGS = { 'encoder-max-batch': '8', 'encoder-threads': '1' };
const FIXTURES = join(ROOT, 'e2e/fixtures/real-images');
const CLIENTS = join(ROOT, 'docs/clients/python');

let folder: string;
let data: string;
let ports: { port: number; metricsPort: number };
let services: Services;
let client: EncoderServiceClient;
/** Of one run: before and after training. */
let checkpoints: [string, string];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medformer-encoder-'));
  data = join(folder, 'data');
  const training = await startStandalone(data);
  const archive = join(folder, 'thirds.npz');
  await writeFile(archive, npz(medmnistMembers()));
  await medformerJson(
    training.env,
    ...['ingest', archive, '--name', 'thirds', '--modality', 'ct', '--body-part', 'head'],
  );
  const spec = join(folder, 'short.yaml');
  await writeFile(
    spec,
    'dataset: thirds\nmethod: { name: simclr }\nbatchSize: 16\nsteps: 2\nkeep: { last: 1, initial: true }\n' +
      'model: { width: 24, depth: 1, heads: 3, latents: 4, mlpRatio: 2, patch2d: 4, patch3d: 8, frequencies: 2 }\n',
  );
  const { run } = await medformerJson(training.env, 'train', spec);
  const shown = await medformerJson(training.env, 'runs', 'show', run);
  const [initial, last] = shown.checkpoints.map(({ checkpoint }: { checkpoint: string }) => checkpoint);
  checkpoints = [initial, last];
  expect(await training.stop()).toEqual([0]);
  ports = { port: await freePort(), metricsPort: await freePort() };
  await start();
  await medformerJson(services.env, 'serve', checkpoints[0]);
});

afterAll(async () => {
  client?.close();
  await services?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('other clients', () => {
  it("Triton's own client finds server, model and versions and gets the embeddings that the encoder's contract gives", async () => {
    const answer = await python('triton.py', `localhost:${ports.port}`, join(FIXTURES, 'ct/CT_small.dcm'));
    const found = JSON.parse(answer);
    expect(found).toMatchObject({
      live: true,
      ready: true,
      modelReady: true,
      otherReady: false,
      server: 'medformer',
      id: 'first',
      metadata: {
        name: 'medformer',
        versions: [checkpoints[0]],
        platform: 'tensorflow',
        inputs: [{ name: 'image', datatype: 'UINT8', shape: ['-1', '-1', '-1', '-1'] }],
        outputs: [{ name: 'embedding', datatype: 'FP32', shape: ['-1', '24'] }],
      },
    });
    const { UINT8, UINT16, FP32, BYTES } = found.embeddings;
    for (let image = 0; image < 5; image += 1) {
      const pixels = found.pixels.slice(image * 784, (image + 1) * 784);
      const own = await encode(
        tensor([28, 28, 1], DataType.DATA_TYPE_UINT8, Buffer.from(pixels)),
        'ct',
        'head',
      );
      for (const theirs of [UINT8, UINT16, FP32])
        expect(worstDifference(theirs[image], own.embedding)).toBeLessThan(1e-5);
    }
    const content = await readFile(join(FIXTURES, 'ct/CT_small.dcm'));
    const own = await encode({ $case: 'file', value: { name: 'CT_small.dcm', content } }, 'ct', 'head');
    expect(worstDifference(BYTES[0], own.embedding)).toBeLessThan(1e-5);
  });

  it('a Python client streams files, and learns of one that is none', async () => {
    const broken = join(folder, 'broken.png');
    await writeFile(broken, 'no PNG');
    const files = [join(FIXTURES, 'ct/CT_small.dcm'), broken, join(FIXTURES, 'fundus/microaneurysms.png')];
    const lines = (await python('encode.py', `localhost:${ports.port}`, 'ct', 'head', ...files)).split('\n');
    const [slice, none, fundus] = lines.map((line) => JSON.parse(line));
    expect([slice.file, none.file, fundus.file]).toEqual(files);
    expect(slice).toMatchObject({ checkpoint: checkpoints[0], embedding: expect.any(Array) });
    expect(none.error).toMatch(/^broken\.png: /);
    expect(fundus.embedding).toHaveLength(24);
  });

  it('the command line names a model and its priority, and changes the models that answer', async () => {
    const { env } = services;
    const file = join(FIXTURES, 'ct/CT_small.dcm');
    const codes = ['--modality', 'ct', '--body-part', 'head'];
    await medformerJson(env, 'serve', checkpoints[1], '--standby', '--alias', 'canary');
    const answer = await medformerJson(
      env,
      'encode',
      file,
      ...codes,
      '--model',
      'canary',
      '--priority',
      'bulk',
    );
    expect(answer.lineage.checkpoint).toBe(checkpoints[1]);
    expect((await medformer(env, 'models', 'ls')).stdout).toMatch(/by default[\s\S]*to "canary"/);
    await medformerJson(env, 'models', 'default', 'canary');
    expect((await medformerJson(env, 'models', 'rollback')).lineage.checkpoint).toBe(checkpoints[0]);
    const left = await medformerJson(env, 'models', 'unload', 'canary');
    expect(
      left.map(({ model }: { model: { lineage: { checkpoint: string } } }) => model.lineage.checkpoint),
    ).toEqual([checkpoints[0]]);
  });
});

describe('under load', () => {
  it('no call fails while another checkpoint takes over and is rolled back', async () => {
    const load = startLoad(8);
    await load.answered(50);
    await medformerJson(services.env, 'serve', checkpoints[1]);
    await load.answered(50);
    await medformerJson(services.env, 'models', 'rollback');
    await load.answered(50);
    const { failures, seen } = await load.stop();
    expect(failures).toEqual([]);
    expect([...seen].sort()).toEqual([...checkpoints].sort());
  });

  it('no call fails when the processes that compute are killed', async () => {
    const load = startLoad(8);
    await load.answered(50);
    for (const pid of descendants(services.processes[0]!.pid!, 'encoding-process'))
      process.kill(pid, 'SIGKILL');
    await load.answered(50);
    expect((await load.stop()).failures).toEqual([]);
  });

  it('no call of a client that tries again fails while the service is drained and started again', async () => {
    const load = startLoad(8, { again: true });
    await load.answered(50);
    client.close();
    expect(await services.stop()).toEqual([0]);
    await start();
    await load.answered(50);
    const { failures } = await load.stop();
    expect(failures).toEqual([]);
    expect((await medformerJson(services.env, 'models', 'ls'))[0].isDefault).toBe(true);
  });
});

describe('what no image is', () => {
  it('2,000 damaged files and tensors are answered each with its own status, in bounded memory', async () => {
    const rng = Rng.of(0, 'fuzz');
    const originals = await originalFiles();
    const items = Array.from({ length: 2000 }, (_, at): EncodeStreamRequest => {
      const image = at % 4 === 3 ? fuzzedTensor(rng, at) : fuzzedFile(rng, originals[at % originals.length]!);
      return {
        id: String(at),
        request: EncodeRequest.create({ image, modality: 'ct', bodyPart: 'head' }),
        timeoutMs: 0,
      };
    });
    const answers = await stream(items);
    expect(answers.map(({ id }) => id)).toEqual(items.map(({ id }) => id));
    const counts = new Map<string, number>();
    for (const { outcome } of answers) {
      const name = outcome?.$case === 'error' ? status[outcome.value.code]! : 'OK';
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    console.log('damaged images:', Object.fromEntries(counts));
    expect(new Set(counts.keys())).toEqual(new Set(['OK', 'INVALID_ARGUMENT']));
    expect(counts.get('INVALID_ARGUMENT')).toBeGreaterThan(500);
    const health = await checkHealth(client);
    expect(health).toBe('SERVING');
    expect(
      (await encode(tensor([28, 28, 1], DataType.DATA_TYPE_UINT8, Buffer.alloc(784)))).embedding,
    ).toHaveLength(24);
    const [service] = services.processes;
    const peaks = [service!.pid!, ...descendants(service!.pid!)].map(peakMebibytes);
    console.log('peak MiB of the service and its processes:', peaks.join(', '));
    expect(Math.max(...peaks)).toBeLessThan(1500);
  });
});

async function start(): Promise<void> {
  services = await startEncoder(data, ports, SETTINGS);
  client = new EncoderServiceClient(`localhost:${ports.port}`, credentials.createInsecure());
}

/** Callers that each ask for one embedding after the other. */
function startLoad(callers: number, { again = false } = {}) {
  const connection = new EncoderServiceClient(`localhost:${ports.port}`, credentials.createInsecure());
  const request = EncodeRequest.create({
    image: tensor([28, 28, 1], DataType.DATA_TYPE_UINT8, Buffer.alloc(784, 100)),
  });
  const failures: string[] = [];
  const seen = new Set<string>();
  let stopping = false;
  let count = 0;
  const ask = async (): Promise<void> => {
    const asked = Date.now();
    for (;;) {
      try {
        seen.add((await encodeBy(connection, request)).lineage!.checkpoint);
        count += 1;
        return;
      } catch (thrown) {
        const { code, message } = thrown as ServiceError;
        if (!again || code !== status.UNAVAILABLE || Date.now() - asked > 120_000)
          return void failures.push(message);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  };
  const running = Promise.all(
    Array.from({ length: callers }, async () => {
      while (!stopping) await ask();
    }),
  );
  return {
    /** So many more answers. */
    async answered(more: number) {
      const until = count + more;
      await expect.poll(() => count >= until || failures.length > 0, { timeout: 120_000 }).toBe(true);
    },
    async stop() {
      stopping = true;
      await running;
      connection.close();
      return { failures, seen };
    },
  };
}

function encode(image: EncodeRequest['image'], modality = '', bodyPart = ''): Promise<EncodeResponse> {
  return encodeBy(client, EncodeRequest.create({ image, modality, bodyPart }));
}

function encodeBy(connection: EncoderServiceClient, request: EncodeRequest): Promise<EncodeResponse> {
  return new Promise((resolve, reject) =>
    connection.encode(request, (error, response) => (error ? reject(error) : resolve(response))),
  );
}

async function stream(items: EncodeStreamRequest[]): Promise<EncodeStreamResponse[]> {
  const call = client.encodeStream();
  for (const item of items) call.write(item);
  call.end();
  const answers: EncodeStreamResponse[] = [];
  for await (const answer of call) answers.push(answer as EncodeStreamResponse);
  return answers;
}

function tensor(shape: number[], dataType: DataType, content: Buffer): EncodeRequest['image'] {
  return { $case: 'tensor', value: { shape, dataType, data: content } };
}

async function originalFiles(): Promise<{ name: string; content: Buffer }[]> {
  const grey = Buffer.from(Array.from({ length: 40 * 30 }, (_, at) => (at * 7) % 256));
  const png = await sharp(grey, { raw: { width: 40, height: 30, channels: 1 } })
    .png()
    .toBuffer();
  const jpeg = await sharp(grey, { raw: { width: 40, height: 30, channels: 1 } })
    .jpeg()
    .toBuffer();
  return [
    { name: 'a.png', content: png },
    { name: 'a.dcm', content: await readFile(join(FIXTURES, 'ct/CT_small.dcm')) },
    { name: 'a.jpg', content: jpeg },
    { name: 'a.nii', content: niftiOf([6, 8, 10]) },
  ];
}

/** A NIfTI-1 volume of uint8. */
function niftiOf(shape: [number, number, number]): Buffer {
  const header = Buffer.alloc(352);
  header.writeInt32LE(348, 0);
  for (const [at, edge] of [3, ...shape, 1, 1, 1, 1].entries()) header.writeInt16LE(edge, 40 + 2 * at);
  header.writeInt16LE(2, 70);
  header.writeInt16LE(8, 72);
  for (let axis = 0; axis < 4; axis += 1) header.writeFloatLE(1, 76 + 4 * axis);
  header.writeFloatLE(352, 108);
  header.write('n+1\0', 344, 'latin1');
  const voxels = Buffer.from(Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, at) => at % 251));
  return Buffer.concat([header, voxels]);
}

/** Flipped bits, most of them where formats say what follows; some cut short, some with the name of another format. */
function fuzzedFile(rng: Rng, { name, content }: { name: string; content: Buffer }): EncodeRequest['image'] {
  const damaged = Buffer.from(content);
  const flips = 1 + Math.floor(rng.uniform() * 8);
  for (let flip = 0; flip < flips; flip += 1) {
    const within = rng.uniform() < 0.7 ? Math.min(400, damaged.length) : damaged.length;
    const at = Math.floor(rng.uniform() * within);
    damaged[at] = damaged[at]! ^ (1 << Math.floor(rng.uniform() * 8));
  }
  const cut =
    rng.uniform() < 0.15 ? damaged.subarray(0, Math.floor(rng.uniform() * damaged.length)) : damaged;
  const other = ['a.png', 'a.dcm', 'a.nii.gz', 'a.tiff', ''][Math.floor(rng.uniform() * 5)]!;
  return { $case: 'file', value: { name: rng.uniform() < 0.1 ? other : name, content: cut } };
}

function fuzzedTensor(rng: Rng, at: number): EncodeRequest['image'] {
  const floats = Float32Array.from({ length: 64 }, () => rng.uniform());
  const place = Math.floor(rng.uniform() * 64);
  const bytes = () => Buffer.from(floats.buffer);
  switch (Math.floor(at / 4) % 5) {
    case 0:
      floats[place] = [Number.NaN, Number.POSITIVE_INFINITY, -0.1, 1.5][Math.floor(rng.uniform() * 4)]!;
      return tensor([8, 8, 1], DataType.DATA_TYPE_FLOAT32, bytes());
    case 1:
      return tensor(
        [8, 8, 1].map((edge) => edge + Math.floor(rng.uniform() * 3) - 1),
        DataType.DATA_TYPE_FLOAT32,
        bytes(),
      );
    case 2:
      return tensor([4_000_000_000, 4_000_000_000, 4], DataType.DATA_TYPE_UINT8, bytes());
    case 3:
      return tensor(Array(Math.floor(rng.uniform() * 7)).fill(2), DataType.DATA_TYPE_UINT8, bytes());
    default:
      return tensor([8, 8, 1], Math.floor(rng.uniform() * 9) as DataType, bytes());
  }
}

function worstDifference(found: number[], expected: number[]): number {
  return Math.max(...found.map((value, at) => Math.abs(value - expected[at]!)));
}

function peakMebibytes(pid: number): number {
  const match = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Math.round(Number(match?.[1] ?? 0) / 1024);
}

async function python(program: string, ...argv: string[]): Promise<string> {
  const { stdout: interpreter } = await execa(join(ROOT, 'tools/python-clients.sh'));
  return (await execa(interpreter, [join(CLIENTS, program), ...argv])).stdout;
}
