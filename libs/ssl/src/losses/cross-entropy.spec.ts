import { Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { gradientError, tensorsLeft } from '../testing/gradient-check.js';
import { accuracyOf, crossEntropy } from './cross-entropy.js';

beforeAll(async () => {
  await useBackend();
});

describe('cross entropy', () => {
  it.each([
    // ln(1 + e^-2): the right class leads by 2.
    [[[2, 0]], [[1, 0]], 0, Math.log(1 + Math.exp(-2))],
    [[[2, 0]], [[0, 1]], 0, Math.log(1 + Math.exp(-2)) + 2],
    // A share of 0.1 is spread over both classes: 0.05 of the mass pays the lead.
    [[[2, 0]], [[1, 0]], 0.1, Math.log(1 + Math.exp(-2)) + 0.05 * 2],
    [[[0, 0, 0, 0]], [[0, 0, 1, 0]], 0, Math.log(4)],
    [[[0, 0, 0, 0]], [[0, 0, 1, 0]], 0.3, Math.log(4)],
    // The mean over the batch.
    [
      [
        [2, 0],
        [2, 0],
      ],
      [
        [1, 0],
        [0, 1],
      ],
      0,
      Math.log(1 + Math.exp(-2)) + 1,
    ],
  ])('of logits %j for labels %j with smoothing %d', (logits, labels, smoothing, expected) => {
    const loss = crossEntropy(tf.tensor2d(logits), tf.tensor2d(labels), smoothing);

    expect(numberOf(loss)).toBeCloseTo(expected, 6);
  });

  it.each([0, 0.2])(
    'of a mixture is the mixture of the losses of its classes, with smoothing %d',
    (smoothing) => {
      const logits = tf.tensor2d([[1.5, -0.5, 0.25]]);
      const of = (labels: number[]) => numberOf(crossEntropy(logits, tf.tensor2d([labels]), smoothing));

      const mixed = 0.7 * of([1, 0, 0]) + 0.3 * of([0, 0, 1]);
      expect(of([0.7, 0, 0.3])).toBeCloseTo(mixed, 6);
      // The mixture's own entropy is the least, where the prediction is the mixture.
      const [p, q] = [0.7, 0.3];
      const least = crossEntropy(tf.log(tf.tensor2d([[p, q]])), tf.tensor2d([[p, q]]));
      expect(numberOf(least)).toBeCloseTo(-p * Math.log(p) - q * Math.log(q), 6);
    },
  );

  it('is exact for logits so far apart that their exponentials overflow', () => {
    const logits = tf.tensor2d([[1000, 0, -1000]]);

    expect(numberOf(crossEntropy(logits, tf.tensor2d([[1, 0, 0]])))).toBeCloseTo(0, 9);
    expect(numberOf(crossEntropy(logits, tf.tensor2d([[0, 0, 1]])))).toBe(2000);
  });

  it.each([0, 0.3])('is the mean over the rows that have a label, with smoothing %d', (smoothing) => {
    const logits = tf.tensor2d([
      [2, 0, 1],
      [5, -3, 4],
      [0, 1, -1],
    ]);
    const labels = tf.tensor2d([
      [1, 0, 0],
      [0, 0, 0],
      [0, 0, 1],
    ]);
    const labelled = (x: tf.Tensor) => tf.concat([tf.slice(x, [0, 0], [1, 3]), tf.slice(x, [2, 0], [1, 3])]);

    const loss = crossEntropy(logits, labels, smoothing);

    expect(numberOf(loss)).toBeCloseTo(
      numberOf(crossEntropy(labelled(logits), labelled(labels), smoothing)),
      6,
    );
    const gradient = tf.grad((x: tf.Tensor) => crossEntropy(x, labels, smoothing))(logits);
    expect([...tf.slice(gradient, [1, 0], [1, 3]).dataSync()].every((value) => value === 0)).toBe(true);
  });

  it('is 0 without a gradient where no row has a label', () => {
    const [logits, labels] = [tf.ones([2, 3]), tf.zeros([2, 3])];

    expect(numberOf(crossEntropy(logits, labels))).toBeCloseTo(0, 9);
    const gradient = tf.grad((x: tf.Tensor) => crossEntropy(x, labels))(logits);
    expect([...gradient.dataSync()].every((value) => value === 0)).toBe(true);
  });

  it.each([0, 0.2])('has the gradient of finite differences with smoothing %d', (smoothing) => {
    const rng = Rng.of('cross-entropy');
    const logits = tf.tensor2d(
      Array.from({ length: 12 }, () => rng.normal()),
      [4, 3],
    );
    const labels = tf.tensor2d([1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0], [4, 3]);

    const { worst, largest } = gradientError((x) => crossEntropy(x, labels, smoothing), logits);

    expect(largest).toBeGreaterThan(0.05);
    expect(worst).toBeLessThan(1e-3 * largest);
    expect(tensorsLeft(() => crossEntropy(logits, labels, smoothing))).toBe(0);
    expect(tensorsLeft(() => tf.grad((x: tf.Tensor) => crossEntropy(x, labels, smoothing))(logits))).toBe(0);
  });
});

describe('accuracy', () => {
  it('counts the labelled rows only, and is 0 without any', () => {
    const logits = tf.tensor2d([
      [2, 0],
      [2, 0],
      [0, 1],
      [2, 0],
    ]);
    const labels = tf.tensor2d([
      [1, 0],
      [0, 1],
      [0, 1],
      [0, 0],
    ]);

    expect(numberOf(accuracyOf(logits, labels))).toBeCloseTo(2 / 3, 6);
    expect(numberOf(accuracyOf(logits, tf.zeros([4, 2])))).toBe(0);
  });
});

const numberOf = (scalar: tf.Scalar) => scalar.dataSync()[0]!;
