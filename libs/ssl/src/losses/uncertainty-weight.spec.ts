import { readFileSync } from 'node:fs';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { gradientError, tensorsLeft } from '../testing/gradient-check.js';
import { uncertaintyWeighted } from './uncertainty-weight.js';

beforeAll(async () => {
  await useBackend();
});

const numberOf = (scalar: tf.Tensor) => scalar.dataSync()[0]!;

describe('a loss weighed by its noise', () => {
  it.each([
    [1.3, 0, 1.3],
    [0, 0.8, 0.4],
    [2, Math.log(4), 2 / 4 + Math.log(2)],
    [0.5, -2, 0.5 * Math.exp(2) - 1],
  ])('of loss %d and log variance %d is %d', (loss, s, expected) => {
    expect(numberOf(uncertaintyWeighted(tf.scalar(loss), tf.tensor1d([s])))).toBeCloseTo(expected, 5);
  });

  it('is least where the variance is twice the loss', () => {
    const loss = 0.7;
    const slope = tf.grad((s: tf.Tensor) => uncertaintyWeighted(tf.scalar(loss), s));

    expect(numberOf(slope(tf.tensor1d([Math.log(2 * loss)])))).toBeCloseTo(0, 6);
    expect(numberOf(slope(tf.tensor1d([Math.log(2 * loss) + 1])))).toBeGreaterThan(0);
    expect(numberOf(slope(tf.tensor1d([Math.log(2 * loss) - 1])))).toBeLessThan(0);
  });

  it('has the gradient of finite differences by loss and by log variance', () => {
    const s = tf.tensor1d([0.4]);
    const bySpread = gradientError((x) => uncertaintyWeighted(tf.scalar(1.7), x), s);
    const byLoss = gradientError(
      (x) => uncertaintyWeighted(tf.reshape(x, []) as tf.Scalar, s),
      tf.tensor1d([1.7]),
    );

    for (const { worst, largest } of [bySpread, byLoss]) {
      expect(largest).toBeGreaterThan(0.05);
      expect(worst).toBeLessThan(1e-3 * largest);
    }
    const loss = tf.scalar(1);
    expect(tensorsLeft(() => uncertaintyWeighted(loss, s))).toBe(0);
  });
});

it('agrees with PyTorch in value and both gradients', () => {
  const file = new URL('../../golden/ssl-tasks.json', import.meta.url);
  const { uncertainty } = JSON.parse(readFileSync(file, 'utf8')) as { uncertainty: Record<string, number>[] };
  for (const { loss, logVariance, weighed, lossGradient, logVarianceGradient } of uncertainty) {
    const of = (x: tf.Tensor, s: tf.Tensor) => uncertaintyWeighted(tf.reshape(x, []) as tf.Scalar, s);
    const given = [tf.tensor1d([loss!]), tf.tensor1d([logVariance!])];
    const [byLoss, byLogVariance] = tf.grads(of)(given);

    expect(numberOf(of(given[0]!, given[1]!))).toBeCloseTo(weighed!, 5);
    expect(numberOf(byLoss!)).toBeCloseTo(lossGradient!, 5);
    expect(numberOf(byLogVariance!)).toBeCloseTo(logVarianceGradient!, 5);
  }
});
