/** A whole run, views included: how long a step is, and how long its views take beside it. */
import { Rng } from '../../../libs/schema/dist/index.js';
import { trainRun } from '../../../libs/ssl/dist/index.js';
import { useBackend } from '../../../libs/tensorflow/dist/index.js';
import { givenCase, samples, serve } from '../serve.mjs';
import { openTraining, specOf } from './training.mjs';

/** Steps that record, and that follow while the caches fill. */
const WARM_UP = 5;

const given = givenCase();
const { spatial, images } = given;
await useBackend({ threads: given.threads });
const training = openTraining({ ...given, mode: 'recorded' });
await samples(() => training.step(), 0, WARM_UP);
const shape = [...spatial, 1];
const groups = [group()];

await serve(
  () => training.step(),
  {},
  {
    /** Step and view times of so many steps of a run. */
    async run({ steps }) {
      const reports = [];
      await trainRun({
        spec: { ...specOf({ ...given, steps: WARM_UP + steps }), checkpointEvery: WARM_UP + steps },
        groups,
        codes: { modalities: ['ct'], bodyParts: [], tasks: [] },
        heads: [],
        signal: new AbortController().signal,
        onStep: ({ step, stepMs, viewsMs }) => reports.push({ step, stepMs, viewsMs }),
        onCheckpoint: async () => {},
        onWarning: (message) => console.error(message),
      });
      // The last step makes no views: none follows it.
      return reports.slice(WARM_UP, -1);
    },
  },
);

function group() {
  const size = shape.reduce((product, edge) => product * edge, 1);
  const rng = Rng.of('bench', 'images');
  return {
    shape,
    pixels: Uint8Array.from({ length: images * size }, () => rng.uint32() & 0xff),
    records: Array.from({ length: images }, (_, index) => ({
      id: String(index),
      modality: 'ct',
      bodyPart: 'chest',
      labels: {},
    })),
  };
}
