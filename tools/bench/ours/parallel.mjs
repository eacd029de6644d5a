/** One process of those that share a training step. */
import { ALONE, joinGroup, tf, useBackend } from '../../../libs/tensorflow/dist/index.js';
import { givenCase, serve } from '../serve.mjs';
import { openTraining } from './training.mjs';

const WARM_UP = 3;

const { rank, addresses, ...given } = givenCase();
await useBackend({ threads: 1, share: 'graph' });
const replicas = addresses.length > 1 ? await joinGroup({ rank, addresses }) : ALONE;
const training = openTraining({ ...given, mode: 'recorded', replicas });
const parameters = [...training.weights().values()].reduce((sum, { data }) => sum + data.length, 0);
for (let step = 0; step < WARM_UP; step += 1) await training.step();

await serve(
  () => training.step(),
  { parameters },
  {
    /** Milliseconds of each of so many steps, which all processes begin together. */
    steps: ({ steps }) => timed(steps, () => training.step()),
    /** The same of an all-reduce of so many floats, as the step has it. */
    async reduce({ floats, steps }) {
      const values = tf.ones([floats]);
      return timed(steps, async () => {
        await replicas.together(async () => {
          replicas.restart();
          replicas.mean(values).dispose();
        });
      });
    },
  },
);

async function timed(count, work) {
  const times = [];
  for (let at = 0; at < count; at += 1) {
    const began = performance.now();
    await work();
    times.push(performance.now() - began);
  }
  return times;
}
