import { beforeAll, expect, it } from 'vitest';
import { useBackend } from './backend.js';
import { recordStep } from './recorded-step.js';
import { symmetricEigenvalues } from './symmetric-eigenvalues.js';
import { tf } from './tf.js';

beforeAll(async () => {
  await useBackend();
});

it('gives the eigenvalues in rising order, also inside a recorded step, and leaks nothing', async () => {
  // Eigenvalues 1 and 3, and 5 by itself.
  const matrix = tf.tensor2d([2, 1, 0, 1, 2, 0, 0, 0, 5], [3, 3]);
  const before = tf.memory().numTensors;
  const eager = symmetricEigenvalues(matrix);
  const recorded = recordStep(([given]) => [symmetricEigenvalues(given!)], [matrix], []);
  const [values] = await recorded.run([matrix]);

  [1, 3, 5].forEach((value, index) => {
    expect(eager.dataSync()[index]).toBeCloseTo(value, 5);
  });
  expect([...values!.dataSync()]).toEqual([...eager.dataSync()]);
  tf.dispose([eager, values!]);
  recorded.dispose();
  expect(tf.memory().numTensors).toBe(before);
  matrix.dispose();
});
