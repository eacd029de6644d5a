/** An encoder in a process of its own over a store with three untrained checkpoints, and what can be asked of it. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { writeCheckpoint } from '../../libs/checkpoint/dist/index.js';
import { GRPCInferenceServiceClient } from '../../libs/gen/dist/inference/open_inference_grpc.js';
import { DataType } from '../../libs/gen/dist/medformer/common/v1/common.js';
import { EncodeRequest, EncoderServiceClient } from '../../libs/gen/dist/medformer/encoder/v1/encoder.js';
import { INPUT_STATISTICS, Medformer } from '../../libs/medformer/dist/index.js';
import { openObjectStore } from '../../libs/object-store/dist/index.js';
import { Rng, RunSpec, sha256 } from '../../libs/schema/dist/index.js';
import { useBackend } from '../../libs/tensorflow/dist/index.js';

const require = createRequire(new URL('../../libs/gen/package.json', import.meta.url));
const { credentials } = require('@grpc/grpc-js');
const MAIN = fileURLToPath(new URL('../../services/encoder/dist/main.js', import.meta.url));
/** A busy machine needs a while to load TensorFlow. */
const START_MS = 240_000;
const CODES = { modalities: ['ct', 'mri'], bodyParts: ['head'], tasks: [] };
const MODEL = {
  width: 24,
  depth: 1,
  heads: 3,
  latents: 4,
  mlpRatio: 2,
  patch2d: 4,
  patch3d: 8,
  frequencies: 2,
};

export const SHAPES = [
  [28, 28, 1],
  [8, 8, 1],
  [40, 32, 3],
  [16, 16, 16, 1],
];

export async function startSoakedEncoder() {
  const folder = await mkdtemp(join(tmpdir(), 'medformer-soak-'));
  const store = pathToFileURL(join(folder, 'store')).href;
  const checkpoints = await untrained(await openObjectStore({ url: store }), [1, 2, 3]);
  const settings = {
    store,
    port: 0,
    'metrics-port': 0,
    'log-level': 'error',
    'encoder-checkpoint': checkpoints[0],
    'encoder-threads': 1,
    'encoder-max-batch': 16,
    'encoder-warm-up': SHAPES.map((shape) => shape.join('x')).join(),
  };
  const flags = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]);
  const child = fork(MAIN, flags, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ended = once(child, 'exit');
  const [{ port, metricsPort }] = await once(child, 'message', { signal: AbortSignal.timeout(START_MS) });
  const until = Date.now() + START_MS;
  while (!(await isReady(metricsPort))) {
    if (child.exitCode !== null || Date.now() > until) throw new Error('the encoder did not start');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const connect = () => new EncoderServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
  const client = connect();
  return {
    pid: child.pid,
    port,
    checkpoints,
    client,
    connect,
    inference: new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure()),
    async metrics() {
      return (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    },
    /** The bits of one image of the first checkpoint, computed alone. */
    async reference() {
      const [checkpoint] = checkpoints;
      await new Promise((resolve, reject) =>
        client.loadModel({ checkpoint, standby: false, alias: '' }, (error) =>
          error ? reject(error) : resolve(),
        ),
      );
      const { embedding } = await new Promise((resolve, reject) =>
        client.encode(requestOf(SHAPES[0], 0), (error, answer) => (error ? reject(error) : resolve(answer))),
      );
      return Buffer.from(Float32Array.from(embedding).buffer);
    },
    async stop() {
      child.kill('SIGTERM');
      const [code, signal] = await ended;
      return code ?? signal;
    },
    async kill() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** An image of noise, the same for the same shape and seed. */
export function requestOf(shape, seed) {
  const data = pixelsOf(shape, seed);
  const image = { $case: 'tensor', value: { dataType: DataType.DATA_TYPE_UINT8, shape, data } };
  return EncodeRequest.create({ image, modality: 'ct', bodyPart: 'head' });
}

export function pixelsOf(shape, seed) {
  const random = Rng.of('soak', seed, ...shape);
  const length = shape.reduce((product, edge) => product * edge, 1);
  return Buffer.from(Array.from({ length }, () => random.integer(256)));
}

async function isReady(port) {
  return fetch(`http://127.0.0.1:${port}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );
}

async function untrained(store, seeds) {
  await useBackend();
  const checkpoints = [];
  for (const seed of seeds) {
    const method = { name: 'simclr' };
    const dataset = sha256('soak');
    const spec = RunSpec.parse({ dataset, method, model: MODEL, steps: 1, seed, codeVersion: 'soak' });
    const model = new Medformer(spec.model, CODES, [], { seed }, INPUT_STATISTICS);
    const written = await writeCheckpoint(store, spec, CODES, INPUT_STATISTICS, {
      step: 1,
      weights: model.parameters.toStored(),
      optimiser: new Map(),
      history: [{ step: 1, loss: 1, learningRate: 0, gradientNorm: 0 }],
    });
    checkpoints.push(written);
    model.dispose();
  }
  return checkpoints;
}
