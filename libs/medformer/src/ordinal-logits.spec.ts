import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { classLogProbabilities, ordinalLogits } from './ordinal-logits.js';
import { Parameters } from './parameters.js';

beforeAll(async () => {
  await useBackend();
});

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

describe('log probabilities of ordered classes', () => {
  it('are those of the differences between cumulative ones, and add up to 1', () => {
    const [scores, thresholds] = [
      [-2, 0, 0.7, 3],
      [-1.5, 0.2, 0.9, 2],
    ];
    const found = classLogProbabilities(
      tf.tensor2d(scores, [4, 1]),
      tf.tensor1d(thresholds),
    ).arraySync() as number[][];

    for (const [row, score] of scores.entries()) {
      const upTo = [0, ...thresholds.map((threshold) => sigmoid(threshold - score)), 1];
      for (let k = 0; k < 5; k += 1)
        expect(Math.exp(found[row]![k]!)).toBeCloseTo(upTo[k + 1]! - upTo[k]!, 5);
      expect(found[row]!.reduce((sum, log) => sum + Math.exp(log), 0)).toBeCloseTo(1, 5);
    }
  });

  it('stay finite, with finite gradients, for scores far beyond every threshold', () => {
    const scores = tf.tensor2d([-500, 500], [2, 1]);
    const thresholds = tf.tensor1d([-1, 0, 1]);
    const sum = (x: tf.Tensor) => tf.sum(classLogProbabilities(x, thresholds)) as tf.Scalar;

    const values = [
      ...classLogProbabilities(scores, thresholds).dataSync(),
      ...tf.grad(sum)(scores).dataSync(),
    ];
    expect(values.every(Number.isFinite)).toBe(true);
  });

  it('of two classes are those of a sigmoid', () => {
    const found = classLogProbabilities(tf.tensor2d([[0.8]]), tf.tensor1d([0.3])).dataSync();
    expect(Math.exp(found[0]!)).toBeCloseTo(sigmoid(-0.5), 6);
    expect(Math.exp(found[1]!)).toBeCloseTo(sigmoid(0.5), 6);
  });
});

describe('an ordinal head', () => {
  it.each([2, 3, 5])('of %d classes finds all equally likely where it knows nothing', (classes) => {
    const parameters = new Parameters({ seed: 0 });
    const logits = ordinalLogits(parameters, 'head', tf.zeros([3, 8]), classes);

    expect(logits.shape).toEqual([3, classes]);
    for (const log of logits.dataSync()) expect(Math.exp(log)).toBeCloseTo(1 / classes, 5);
    parameters.dispose();
  });

  it('moves probability to later classes as the score rises, and has the gradient of finite differences', () => {
    const parameters = new Parameters({ seed: 0 });
    const h = tf.tensor2d([0.3, -1, 0.8, 0.1], [2, 2]);
    ordinalLogits(parameters, 'head', h, 4);
    const weight = parameters.get('head/weight', [2, 1]);
    const expectedClass = (x: tf.Tensor) => [
      ...tf
        .matMul(tf.softmax(ordinalLogits(parameters, 'head', x, 4)), tf.tensor2d([[0], [1], [2], [3]]))
        .dataSync(),
    ];
    const along = tf.mul(tf.transpose(weight), 2);
    const [before, after] = [expectedClass(h), expectedClass(tf.add(h, along))];
    for (const [row, rank] of after.entries()) expect(rank).toBeGreaterThan(before[row]!);

    const thresholds = parameters.get('head/thresholds', [3]) as tf.Variable;
    const loss = () =>
      tf.neg(
        tf.sum(
          tf.mul(
            ordinalLogits(parameters, 'head', h, 4),
            tf.tensor2d([
              [0, 1, 0, 0],
              [0, 0, 0, 1],
            ]),
          ),
        ),
      ) as tf.Scalar;
    const gradient = tf.variableGrads(loss, [thresholds]).grads[thresholds.name]!.dataSync();
    const values = Float32Array.from(thresholds.dataSync());
    for (let at = 0; at < 3; at += 1) {
      const moved = (by: number) => {
        const next = values.slice();
        next[at]! += by;
        thresholds.assign(tf.tensor1d(next));
        return loss().dataSync()[0]!;
      };
      const difference = (moved(1e-2) - moved(-1e-2)) / 2e-2;
      expect(Math.abs(difference - gradient[at]!)).toBeLessThan(2e-3);
    }
    parameters.dispose();
  });
});
