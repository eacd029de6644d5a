/** The limit of a server: the model in a loop without one, by size of batch; and the checkpoint and ONNX model that the servers serve. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadCheckpoint, writeCheckpoint } from '../../../libs/checkpoint/dist/index.js';
import { exportCheckpoint } from '../../../libs/export/dist/index.js';
import { INPUT_STATISTICS, Medformer, RecordedForward } from '../../../libs/medformer/dist/index.js';
import { openObjectStore } from '../../../libs/object-store/dist/index.js';
import { RunSpec, sha256 } from '../../../libs/schema/dist/index.js';
import { tf, useBackend } from '../../../libs/tensorflow/dist/index.js';
import { givenCase, samples, serve } from '../serve.mjs';

const CODES = { modalities: ['ct'], bodyParts: ['head'], tasks: [] };
const WARM_UP = 3;

const { model: preset, shape, threads, folder } = givenCase();
await useBackend({ threads });
const spec = RunSpec.parse({
  dataset: sha256('bench'),
  method: { name: 'simclr' },
  model: preset,
  steps: 1,
  codeVersion: 'bench',
});
const model = new Medformer(spec.model, CODES, [], { seed: 1 });
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
  const [onnx] = exportCheckpoint(source, { format: 'onnx', shape });
  writeFileSync(join(folder, 'model.onnx'), onnx.content);
  return { store: url, checkpoint, onnx: join(folder, 'model.onnx'), parameters: model.parameters.size };
}
