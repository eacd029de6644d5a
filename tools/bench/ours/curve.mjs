/** Steps at one point of a cost curve after the other. */
import { useBackend } from '../../../libs/tensorflow/dist/index.js';
import { givenCase, samples, serve } from '../serve.mjs';
import { openTraining } from './training.mjs';

const WARM_UP = 3;
const SECONDS = 2.5;

await useBackend({ threads: givenCase().threads });
await serve(
  () => {},
  {},
  {
    async point(given) {
      const training = openTraining({ ...given, mode: 'recorded' });
      try {
        await samples(() => training.step(), 0, WARM_UP);
        return await samples(() => training.step(), SECONDS, 5);
      } finally {
        training.dispose();
      }
    },
  },
);
