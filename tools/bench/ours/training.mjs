/** The trainer's own session on a fixed batch of noise: what libs/ssl runs, without the making of views. */

import { runRateAt } from '../../../libs/optimisers/dist/index.js';
import { Rng, RunSpec } from '../../../libs/schema/dist/index.js';
import { BatchShare } from '../../../libs/ssl/dist/batch-share.js';
import { methodOf } from '../../../libs/ssl/dist/index.js';
import { TrainSession } from '../../../libs/ssl/dist/train-session.js';
import { ALONE } from '../../../libs/tensorflow/dist/index.js';

const MODALITIES = ['ct', 'mri', 'xray'];
const STEPS = 10_000;

/** The spec all sides train by. */
export function specOf({ method, model, batch, steps = STEPS, precision = 'float32' }) {
  return RunSpec.parse({
    dataset: '0'.repeat(64),
    method,
    model,
    batchSize: batch,
    precision,
    steps,
    optimiser: { warmupSteps: 0 },
    codeVersion: 'bench',
  });
}

/**
 * @param {{method: object, model: string, spatial: number[], batch: number, mode: 'recorded' | 'eager'}} given the whole
 *   batch, of which this process has its share where `replicas` share it
 */
export function openTraining(given) {
  const { spatial, mode, replicas = ALONE } = given;
  const spec = specOf(given);
  const share = BatchShare.of(replicas, given.batch, 0);
  const { count: batch } = share.range(0, given.batch);
  const shape = [...spatial, 1];
  const rows = methodOf(spec.method).policies.length * batch;
  const host = {
    group: 0,
    x: noise([rows, ...shape]),
    shape,
    modality: Int32Array.from({ length: rows }, (_, row) => row % (MODALITIES.length + 1)),
    bodyPart: new Int32Array(rows),
    images: Array.from({ length: batch }, (_, image) => String(image)),
    labels: new Float32Array(batch),
    drawn: {},
    ...(replicas.size > 1 ? { share } : {}),
  };
  const session = new TrainSession({
    spec,
    groups: [{ shape, pixels: new Uint8Array(), records: [] }],
    codes: { modalities: MODALITIES, bodyParts: [], tasks: [] },
    heads: [],
    parts: given.parts ?? 1,
    replicas,
    onWarning: (message) => console.error(message),
  });
  if (mode === 'eager') session.record = () => undefined;
  let done = 0;
  return {
    spec,
    codes: { modalities: MODALITIES.length, bodyParts: 0 },
    host,
    rate: (step) => runRateAt(spec, step),
    weights: () => session.stored().weights,
    /** Size and time of the recording. */
    recording: () => [...session.recorded.values()][0]?.stats,
    /** One step; resolves to its loss and gradient norm. */
    async step() {
      done += 1;
      const { results, recorded } = await session.step(done, [host]);
      if (recorded !== (mode === 'recorded')) throw new Error(`the step ran ${recorded ? '' : 'un'}recorded`);
      const [loss, norm] = results;
      if (!Number.isFinite(loss)) throw new Error(`step ${done}: loss ${loss}`);
      return { loss, norm };
    },
    dispose: () => session.dispose(),
  };
}

/** Made once per shape: drawing it takes longer than a step. */
const noises = new Map();
function noise(shape) {
  const key = shape.join();
  const known = noises.get(key);
  if (known) return known;
  const rng = Rng.of('bench', ...shape);
  const size = shape.reduce((product, edge) => product * edge, 1);
  const values = Float32Array.from({ length: size }, () => rng.uniform(-1, 1));
  noises.set(key, values);
  return values;
}
