/** The limit of a server: the model in a loop without one, by size of batch; and the checkpoint and ONNX model that the servers serve. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadCheckpoint, writeCheckpoint } from '../../../libs/checkpoint/dist/index.js';
import { exportCheckpoint } from '../../../libs/export/dist/index.js';
import { DataType } from '../../../libs/gen/dist/medformer/common/v1/common.js';
import { EncodeRequest } from '../../../libs/gen/dist/medformer/encoder/v1/encoder.js';
import { INPUT_STATISTICS, Medformer, RecordedForward } from '../../../libs/medformer/dist/index.js';
import { openObjectStore } from '../../../libs/object-store/dist/index.js';
import { MODEL_PRESETS, RunSpec, sha256 } from '../../../libs/schema/dist/index.js';
import { tf, useBackend } from '../../../libs/tensorflow/dist/index.js';
import { givenCase, samples, serve } from '../serve.mjs';

const CODES = { modalities: ['ct'], bodyParts: ['head'], tasks: [] };
const WARM_UP = 3;

const { model: preset, patch, shape, threads, folder } = givenCase();
await useBackend({ threads });
const spec = RunSpec.parse({
  dataset: sha256('bench'),
  method: { name: 'simclr' },
  model: { ...MODEL_PRESETS[preset], [`patch${shape.length - 1}d`]: patch },
  steps: 1,
  codeVersion: 'bench',
});
const model = new Medformer(spec.model, CODES, [], { seed: 1 });
const image = Buffer.from(
  Array.from({ length: shape.reduce((x, y) => x * y, 1) }, (_, at) => (at * 7) % 256),
);
const embed = new RecordedForward(model.codes, (pixels, rows) => model.embed(pixels, rows));

await serve(() => {}, await writeModels(), {
  /** Milliseconds of each batch of so many images, pixels and embeddings copied in and out. */
  async loop({ batch, seconds }) {
    const pixels = Float32Array.from({ length: batch * shape.reduce((x, y) => x * y, 1) }, Math.random);
    const run = async () => {
      const input = tf.tensor(pixels, [batch, ...shape]);
      const output = await embed.run(input, {});
      output.dataSync();
      tf.dispose([input, output]);
    };
    await samples(run, 0, WARM_UP);
    return samples(run, seconds);
  },
});

async function writeModels() {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const url = pathToFileURL(join(folder, 'store')).href;
  const store = await openObjectStore({ url });
  const checkpoint = await writeCheckpoint(store, spec, CODES, INPUT_STATISTICS, {
    step: 1,
    weights: model.parameters.toStored(),
    optimiser: new Map(),
    history: [{ step: 1, loss: 1, learningRate: 0, gradientNorm: 0 }],
  });
  const source = { checkpoint, ...(await loadCheckpoint(store, checkpoint)) };
  const write = (name, content) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const [onnx] = exportCheckpoint(source, { format: 'onnx', shape });
  const [weights] = exportCheckpoint(source, { format: 'safetensors' });
  return {
    store: url,
    checkpoint,
    onnx: write('model.onnx', onnx.content),
    weights: write('weights.safetensors', weights.content),
    model: JSON.parse(JSON.stringify(spec.model)),
    input: INPUT_STATISTICS,
    request: write('request.bin', requestOf(image)),
    reference: await reference(image),
    parameters: model.parameters.size,
  };
}

/** What every server is asked for. */
function requestOf(data) {
  const value = { dataType: DataType.DATA_TYPE_UINT8, shape, data };
  return EncodeRequest.encode(
    EncodeRequest.create({ image: { $case: 'tensor', value }, modality: 'ct', bodyPart: 'head' }),
  ).finish();
}

/** The image's embedding by the shared codes: what the others must find before they are timed. */
async function reference(data) {
  const pixels = tf.tensor(
    Float32Array.from(data, (value) => value / 255),
    [1, ...shape],
  );
  const output = await embed.run(pixels, {});
  const values = [...output.dataSync()];
  tf.dispose([pixels, output]);
  return values;
}
