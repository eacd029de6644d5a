/** Embeddings of one batch as the encoder and the evaluation compute them, and what each part of them costs. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { body } from '../../../libs/medformer/dist/body.js';
import { Medformer, RecordedForward } from '../../../libs/medformer/dist/index.js';
import { inputAdaptformer } from '../../../libs/medformer/dist/input-adaptformer.js';
import { MODEL_PRESETS } from '../../../libs/schema/dist/index.js';
import { backendInfo, forwardFunction, tf, useBackend } from '../../../libs/tensorflow/dist/index.js';
import { givenCase, resident, samples, serve } from '../serve.mjs';

const CODES = { modalities: ['ct', 'mri', 'xray'], bodyParts: [], tasks: [] };
/** As far as the recorded function may be from the model op by op. */
const TOLERANCE = 1e-5;
const WARM_UP = 3;

const { model: preset, patch, spatial, batch, threads, size, mode } = givenCase();
await useBackend({ threads });
const axes = spatial.length;
const config = { ...MODEL_PRESETS[preset], [`patch${axes}d`]: patch };
const model = new Medformer(config, CODES, [], { seed: 1 });
const parameters = readBy(axes);
if (size) writeSize(size);
const pixels = tf.randomUniform([batch, ...spatial, 1], 0, 1, 'float32', 3);
const names = { modality: Array.from({ length: batch }, (_, at) => CODES.modalities[at % 3]) };
const before = resident().now;
const recorded = new RecordedForward(model.codes, (x, rows) => model.embed(x, rows));

async function embed() {
  const output = mode === 'eager' ? model.embed(pixels, names) : await recorded.run(pixels, names);
  const values = output.dataSync();
  output.dispose();
  return values;
}

const worstDifference = mode === 'eager' ? 0 : difference(await embed(), eagerly());
await samples(embed, 0, WARM_UP);
await serve(
  embed,
  { tensorflow: backendInfo().tensorflowVersion, config, parameters, worstDifference },
  {
    /** MiB that embedding took beside the model. */
    memory: () => ({ used: resident().peak - before }),
    parts,
  },
);

/** Milliseconds of the input adaptformer and of what follows it, each as a function of its own. */
async function parts({ seconds }) {
  const input = tf.tidy(() => model.prepare(pixels, names));
  const first = forwardFunction(
    ([x, modality, bodyPart]) => [inputAdaptformer(model.parameters, config, { x, modality, bodyPart })],
    [input.x, input.modality, input.bodyPart],
  );
  const [latents] = await first.run(Object.values(input));
  const rest = forwardFunction(([x]) => [model.pool(body(model.parameters, config, x))], [latents]);
  const timed = async (of, inputs) => {
    const run = async () => tf.dispose(await of.run(inputs));
    await samples(run, 0, WARM_UP);
    return samples(run, seconds);
  };
  return { adaptformer: await timed(first, Object.values(input)), body: await timed(rest, [latents]) };
}

function eagerly() {
  const output = model.embed(pixels, names);
  const values = output.dataSync();
  output.dispose();
  return values;
}

function difference(found, expected) {
  const most = found.reduce((worst, value, at) => Math.max(worst, Math.abs(value - expected[at])), 0);
  if (!(most <= TOLERANCE)) throw new Error(`the recorded function is ${most} from the model`);
  return most;
}

/** Parameters that a grey image of so many axes is computed by. */
function readBy(axes) {
  const other = new RegExp(`-${5 - axes}d/|/chroma/`);
  return model.parameters
    .entries()
    .filter(([name]) => !other.test(name))
    .reduce((sum, [, { size }]) => sum + size, 0);
}

function writeSize(file) {
  mkdirSync(dirname(file), { recursive: true });
  const { width, heads, mlpRatio } = config;
  writeFileSync(file, JSON.stringify({ width, heads, mlpRatio, parameters }));
}
