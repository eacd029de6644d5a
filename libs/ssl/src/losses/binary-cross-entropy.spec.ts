import { readFileSync } from 'node:fs';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { gradientError, tensorsLeft } from '../testing/gradient-check.js';
import { accuracyOfFlags, binaryCrossEntropy } from './binary-cross-entropy.js';

beforeAll(async () => {
  await useBackend();
});

const numberOf = (value: tf.Tensor) => value.dataSync()[0]!;
const FLAGS = [
  [1, 0, 1],
  [0, 0, 1],
];

describe('binary cross entropy', () => {
  it('is the mean over images and labels of -log of the probability of each flag', () => {
    const logits = [
      [2, -1, 0],
      [0.5, 3, -2],
    ];
    const probability = (x: number, flag: number) => 1 / (1 + Math.exp(flag === 1 ? -x : x));
    const expected =
      logits
        .flatMap((row, at) => row.map((x, label) => -Math.log(probability(x, FLAGS[at]![label]!))))
        .reduce((sum, term) => sum + term, 0) / 6;

    expect(numberOf(binaryCrossEntropy(tf.tensor2d(logits), tf.tensor2d(FLAGS)))).toBeCloseTo(expected, 6);
  });

  it('is ln 2 before anything is told apart, whatever the smoothing', () => {
    for (const smoothing of [0, 0.2])
      expect(numberOf(binaryCrossEntropy(tf.zeros([2, 3]), tf.tensor2d(FLAGS), smoothing))).toBeCloseTo(
        Math.LN2,
        6,
      );
  });

  it('is exact for logits whose exponentials overflow', () => {
    const logits = tf.tensor2d([[1000, -1000]]);

    expect(numberOf(binaryCrossEntropy(logits, tf.tensor2d([[1, 0]])))).toBeCloseTo(0, 9);
    expect(numberOf(binaryCrossEntropy(logits, tf.tensor2d([[0, 1]])))).toBe(1000);
  });

  it('has the gradient of its differences, and leaves no tensor behind', () => {
    const flags = tf.tensor2d(FLAGS);
    const logits = tf.tensor2d([
      [0.3, -1.2, 2],
      [0.1, 0.8, -0.4],
    ]);
    const { worst, largest } = gradientError((x) => binaryCrossEntropy(x, flags, 0.1), logits);

    expect(worst / largest).toBeLessThan(1e-2);
    expect(tensorsLeft(() => binaryCrossEntropy(logits, flags, 0.1))).toBe(0);
  });
});

it('counts a flag as right on its own side of one half', () => {
  const logits = tf.tensor2d([
    [2, -1, 0],
    [0.5, -3, 2],
  ]);

  expect(numberOf(accuracyOfFlags(logits, tf.tensor2d(FLAGS)))).toBeCloseTo(4 / 6, 6);
});

describe('flags that are not known', () => {
  it('do not count, neither in the loss nor in its gradient nor in the accuracy', () => {
    const logits = tf.tensor2d([[2, -1, 0.3]]);
    const flags = tf.tensor2d([[1, -1, 0]]);
    const known = (x: tf.Tensor) => tf.concat([tf.slice(x, [0, 0], [1, 1]), tf.slice(x, [0, 2], [1, 1])], 1);

    for (const smoothing of [0, 0.2])
      expect(numberOf(binaryCrossEntropy(logits, flags, smoothing))).toBeCloseTo(
        numberOf(binaryCrossEntropy(known(logits), known(flags), smoothing)),
        6,
      );
    expect(
      tf
        .grad((x: tf.Tensor) => binaryCrossEntropy(x, flags))(logits)
        .dataSync()[1],
    ).toBe(0);
    expect(numberOf(accuracyOfFlags(logits, flags))).toBe(0.5);
  });

  it('altogether give a loss of 0 without a gradient', () => {
    const [logits, flags] = [tf.tensor2d([[3, -2]]), tf.tensor2d([[-1, -1]])];

    expect(numberOf(binaryCrossEntropy(logits, flags))).toBe(0);
    expect([
      ...tf
        .grad((x: tf.Tensor) => binaryCrossEntropy(x, flags))(logits)
        .dataSync(),
    ]).toEqual([0, 0]);
    expect(numberOf(accuracyOfFlags(logits, flags))).toBe(0);
  });
});

interface Case {
  images: number;
  labels: number;
  smoothing: number;
  logits: number[];
  flags: number[];
  loss: number;
  accuracy: number;
  gradient: number[];
}

it('agrees with PyTorch in value, gradient and accuracy, labels missing or not', () => {
  const file = new URL('../../golden/ssl-tasks.json', import.meta.url);
  const { multiLabel } = JSON.parse(readFileSync(file, 'utf8')) as { multiLabel: Case[] };
  for (const { images, labels, smoothing, ...given } of multiLabel) {
    const logits = tf.tensor2d(given.logits, [images, labels]);
    const flags = tf.tensor2d(given.flags, [images, labels]);

    expect(numberOf(binaryCrossEntropy(logits, flags, smoothing))).toBeCloseTo(given.loss, 5);
    expect(numberOf(accuracyOfFlags(logits, flags))).toBeCloseTo(given.accuracy, 6);
    const gradient = tf
      .grad((x: tf.Tensor) => binaryCrossEntropy(x, flags, smoothing))(logits)
      .dataSync();
    for (const [at, value] of given.gradient.entries()) expect(gradient[at]!).toBeCloseTo(value, 6);
  }
});
