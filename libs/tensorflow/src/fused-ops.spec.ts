import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from './backend.js';
import { affine, biasAdd, erfGate, standardiseRows } from './fused-ops.js';
import { recordStep } from './recorded-step.js';
import { tf } from './tf.js';

beforeAll(async () => {
  await useBackend();
});

const random = (shape: number[], seed: number) => tf.randomNormal(shape, 0, 1, 'float32', seed);

/** The fused op, the same composed of plain ops, and their inputs. */
const CASES: [
  string,
  (...x: tf.Tensor[]) => tf.Tensor,
  (...x: tf.Tensor[]) => tf.Tensor,
  () => tf.Tensor[],
][] = [
  [
    'affine',
    (x, w, b) => affine(x!, w!, b!),
    (x, w, b) => tf.add(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D), b!),
    () => [random([7, 5], 1), random([5, 3], 2), random([3], 3)],
  ],
  ...[
    [6, 3],
    [2, 4, 4, 3],
    [2, 3, 4, 4, 3],
  ].map((shape): (typeof CASES)[number] => [
    `biasAdd over ${shape.length} axes`,
    (x, b) => biasAdd(x!, b!),
    (x, b) => tf.add(x!, b!),
    () => [random(shape, 4), random([3], 5)],
  ]),
  [
    'standardiseRows',
    (x) => standardiseRows(x!, 1e-5),
    (x) => {
      const centred = tf.sub(x!, tf.mean(x!, -1, true));
      return tf.div(centred, tf.sqrt(tf.add(tf.mean(tf.square(centred), -1, true), 1e-5)));
    },
    () => [random([4, 5, 6], 6)],
  ],
  [
    'erfGate',
    (t) => erfGate(t!),
    (t) => tf.mul(t!, tf.add(tf.erf(t!), 1)),
    () => [tf.mul(random([5, 8], 7), 3)],
  ],
];

describe.each(CASES)('%s', (_, fused, composed, inputs) => {
  it('is its composition, and so are its gradients', () => {
    tf.tidy(() => {
      const given = inputs();
      const weight = random(composed(...given).shape, 8);
      const both = [fused, composed].map((op) =>
        tf.valueAndGrads((...x: tf.Tensor[]) => tf.sum(tf.mul(op(...x), weight)) as tf.Scalar)(given),
      );
      const far = (a: tf.Tensor, b: tf.Tensor) => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!;

      expect(far(fused(...given), composed(...given))).toBeLessThan(1e-5);
      both[0]!.grads.forEach((gradient, index) => {
        expect(gradient.shape).toEqual(given[index]!.shape);
        expect(far(gradient, both[1]!.grads[index]!)).toBeLessThan(2e-5);
      });
    });
  });

  it('can be recorded, and leaves no tensor behind', async () => {
    const given = inputs();
    const gradient = (x: tf.Tensor[]) =>
      tf.grads((...of: tf.Tensor[]) => tf.sum(tf.square(fused(...of))) as tf.Scalar)(x);
    const before = tf.memory().numTensors;
    const step = recordStep((x) => gradient(x), given, []);
    const recorded = await step.run(given);
    const eager = tf.tidy(() => gradient(given));
    recorded.forEach((tensor, index) => {
      const far = tf.tidy(() => tf.max(tf.abs(tf.sub(tensor, eager[index]!))).dataSync()[0]!);
      expect(far).toBeLessThan(1e-5);
    });
    tf.dispose([recorded, eager]);
    step.dispose();

    expect(tf.memory().numTensors).toBe(before);
    tf.dispose(given);
  });
});
