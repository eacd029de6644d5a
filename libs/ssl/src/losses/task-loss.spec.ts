import { readFileSync } from 'node:fs';
import { classLogProbabilities, probabilitiesOf } from '@medformer/medformer';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { accuracyOfFlags, binaryCrossEntropy } from './binary-cross-entropy.js';
import { accuracyOf, crossEntropy } from './cross-entropy.js';
import { taskLoss } from './task-loss.js';

beforeAll(async () => {
  await useBackend();
});

const numberOf = (value: tf.Tensor) => value.dataSync()[0]!;
const LOGITS = [
  [2, -1, 0.5],
  [0.2, 0.9, -3],
];

describe('the loss of a head', () => {
  it.each([['multi-class'], ['ordinal'], ['binary'], [undefined]] as const)(
    'of kind %s is softmax cross entropy',
    (kind) => {
      const [logits, labels] = [tf.tensor2d(LOGITS), tf.tensor2d([0, 0, 1, 1, 0, 0], [2, 3])];
      const { loss, accuracy } = taskLoss({ kind }, logits, labels, 0.1);

      expect(numberOf(loss)).toBe(numberOf(crossEntropy(logits, labels, 0.1)));
      expect(numberOf(accuracy)).toBe(numberOf(accuracyOf(logits, labels)));
      expect(numberOf(tf.sum(probabilitiesOf(logits, { kind })))).toBeCloseTo(2, 5);
    },
  );

  it('of a multi-label task is sigmoid cross entropy of each label', () => {
    const [logits, labels] = [tf.tensor2d(LOGITS), tf.tensor2d([1, 0, 1, 1, -1, 0], [2, 3])];
    const { loss, accuracy } = taskLoss({ kind: 'multi-label' }, logits, labels, 0.1);

    expect(numberOf(loss)).toBe(numberOf(binaryCrossEntropy(logits, labels, 0.1)));
    expect(numberOf(accuracy)).toBe(numberOf(accuracyOfFlags(logits, labels)));
    expect(numberOf(probabilitiesOf(logits, { kind: 'multi-label' }))).toBeCloseTo(1 / (1 + Math.exp(-2)), 6);
  });
});

interface Case {
  images: number;
  classes: number;
  scores: number[];
  thresholds: number[];
  truth: number[];
  probabilities: number[];
  loss: number;
  scoreGradient: number[];
  thresholdGradient: number[];
}

it('of a cumulative head is the negative log-likelihood that PyTorch finds, and so are its gradients', () => {
  const file = new URL('../../golden/ssl-tasks.json', import.meta.url);
  const { ordinal } = JSON.parse(readFileSync(file, 'utf8')) as { ordinal: Case[] };
  for (const { images, classes, ...given } of ordinal) {
    const scores = tf.tensor2d(given.scores, [images, 1]);
    const thresholds = tf.tensor1d(given.thresholds);
    const labels = tf.tensor2d(
      given.truth.flatMap((truth) => Array.from({ length: classes }, (_, at) => Number(at === truth))),
      [images, classes],
    );
    const logitsOf = (x: tf.Tensor, t: tf.Tensor) => classLogProbabilities(x, t);
    const loss = (x: tf.Tensor, t: tf.Tensor) => taskLoss({ kind: 'ordinal' }, logitsOf(x, t), labels).loss;

    const probabilities = probabilitiesOf(logitsOf(scores, thresholds), { kind: 'ordinal' }).dataSync();
    for (const [at, value] of given.probabilities.entries()) expect(probabilities[at]!).toBeCloseTo(value, 5);
    expect(numberOf(loss(scores, thresholds))).toBeCloseTo(given.loss, 4);
    const [byScore, byThreshold] = tf.grads(loss)([scores, thresholds]);
    for (const [at, value] of given.scoreGradient.entries())
      expect(byScore!.dataSync()[at]!).toBeCloseTo(value, 4);
    for (const [at, value] of given.thresholdGradient.entries())
      expect(byThreshold!.dataSync()[at]!).toBeCloseTo(value, 4);
  }
});
