/** The training step, this project's side. The recorded one writes down what it started from, for the peers. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { encodeSafetensors } from '../../../libs/schema/dist/index.js';
import { backendInfo, tf, useBackend } from '../../../libs/tensorflow/dist/index.js';
import { givenCase, resident, serve } from '../serve.mjs';
import { openTraining } from './training.mjs';

/** Steps whose losses the peer has to show, too. */
const PROOF_STEPS = 5;
const TOLERANCE = 1e-4;
const WARM_UP = 3;

const given = givenCase();
// As the trainer runs: a batch in as many parts as threads, each op on one of them. Op by op nothing runs side by side.
const recorded = given.mode === 'recorded';
await useBackend({ threads: given.threads, share: recorded ? 'graph' : 'op' });
const training = openTraining({ ...given, parts: recorded ? given.threads : 1 });
const start = training.weights();
const parameters = [...start.values()].reduce((sum, { data }) => sum + data.length, 0);
const proof = [];
while (proof.length < PROOF_STEPS) proof.push(await training.step());
if (given.dump) writeDump(given.dump);
for (let step = 0; step < WARM_UP; step += 1) await training.step();

await serve(
  () => training.step(),
  {
    tensorflow: backendInfo().tensorflowVersion,
    node: process.version,
    mode: given.mode,
    parameters,
    recording: training.recording(),
    losses: proof.map(({ loss }) => loss),
  },
  {
    memory: () => ({ ...resident(), tensors: tf.memory().numTensors }),
    /** Resident memory after each tenth of so many steps. */
    async steps({ steps }) {
      const marks = [];
      for (let step = 1; step <= steps; step += 1) {
        await training.step();
        if (step % Math.max(1, Math.floor(steps / 10)) === 0)
          marks.push({ step, ...resident(), tensors: tf.memory().numTensors });
      }
      return marks;
    },
  },
);

function writeDump(file) {
  const { spec, codes, host, rate } = training;
  const views = host.modality.length;
  const tensors = new Map([...start].map(([name, tensor]) => [`weight/${name}`, tensor]));
  tensors.set('batch/x', { dtype: 'F32', shape: [views, ...given.spatial, 1], data: host.x });
  tensors.set('batch/modality', { dtype: 'I32', shape: [views], data: host.modality });
  tensors.set('batch/bodyPart', { dtype: 'I32', shape: [views], data: host.bodyPart });
  const learningRates = proof.map((_, index) => rate(index + 1));
  const meta = {
    spec,
    codes,
    spatial: given.spatial,
    parameters,
    learningRates,
    steps: proof,
    tolerance: TOLERANCE,
  };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, encodeSafetensors({ tensors, metadata: { case: JSON.stringify(meta) } }));
}
