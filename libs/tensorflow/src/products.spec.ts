import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from './backend.js';
import { affine } from './fused-ops.js';
import { OpWatch } from './op-watch.js';
import { halvingConvolution, type Precision } from './products.js';
import { recordStep } from './recorded-step.js';
import { tf } from './tf.js';

beforeAll(async () => {
  await useBackend();
});

/** bfloat16 keeps 8 bits: a rounded value is off by at most this share. */
const ROUNDING = 2 ** -8;

const random = (shape: number[], seed: number) => tf.randomNormal(shape, 0, 1, 'float32', seed);

const CASES: [string, (x: tf.Tensor[], precision: Precision) => tf.Tensor, () => tf.Tensor[]][] = [
  [
    'a dense layer',
    ([x, w, b], precision) => affine(x!, w!, b!, precision),
    () => [random([40, 24], 1), random([24, 16], 2), random([16], 3)],
  ],
  [
    'a convolution of images',
    ([x, w], precision) => halvingConvolution(x!, w!, precision),
    () => [random([2, 7, 8, 4], 4), random([3, 3, 4, 6], 5)],
  ],
  [
    'a convolution of volumes',
    ([x, w], precision) => halvingConvolution(x!, w!, precision),
    () => [random([2, 5, 6, 7, 4], 6), random([3, 3, 3, 4, 6], 7)],
  ],
];

describe.each(CASES)('%s in mixed-bfloat16', (_, op, inputs) => {
  const gradients = (given: tf.Tensor[], precision: Precision) => {
    const loss = (...x: tf.Tensor[]) => tf.sum(tf.square(op(x, precision))) as tf.Scalar;
    return tf.grads(loss)(given);
  };

  it('gives float32 within the rounding of its factors, in value and gradients, and is not float32 to the bit', () => {
    tf.tidy(() => {
      const given = inputs();
      const [exact, mixed] = (['float32', 'mixed-bfloat16'] as const).map((precision) => [
        op(given, precision),
        ...gradients(given, precision),
      ]);
      for (const [index, tensor] of mixed!.entries()) {
        const off = tf.norm(tf.sub(tensor, exact![index]!)).dataSync()[0]!;
        const size = tf.norm(exact![index]!).dataSync()[0]!;
        expect(tensor.dtype).toBe('float32');
        expect(tensor.shape).toEqual(exact![index]!.shape);
        expect(off / size).toBeGreaterThan(0);
        expect(off / size).toBeLessThan(2 * ROUNDING);
      }
    });
  });

  it('can be recorded to the same values, and leaves no tensor behind', async () => {
    const given = inputs();
    const before = tf.memory().numTensors;
    const step = recordStep((x) => gradients(x, 'mixed-bfloat16'), given, []);
    const recorded = await step.run(given);
    const eager = tf.tidy(() => gradients(given, 'mixed-bfloat16'));
    for (const [index, tensor] of recorded.entries()) {
      const off = tf.tidy(() => tf.norm(tf.sub(tensor, eager[index]!)).dataSync()[0]!);
      const size = tf.tidy(() => tf.norm(tensor).dataSync()[0]!);
      expect(off / size).toBeLessThan(ROUNDING);
    }
    tf.dispose([recorded, eager]);
    step.dispose();

    expect(tf.memory().numTensors).toBe(before);
    tf.dispose(given);
  });

  it('is watched op by op: the product is named that gives what is not finite', () => {
    const { watch } = OpWatch.run(() =>
      tf.tidy(() =>
        op(
          inputs().map((x) => tf.mul(x, 1e37)),
          'mixed-bfloat16',
        ).dataSync(),
      ),
    );

    expect(watch.found?.op).toMatch(/^(MatMul|Conv[23]D)$/);
  });
});
