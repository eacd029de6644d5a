import { readFileSync } from 'node:fs';
import { Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { gradientError, tensorsLeft } from '../testing/gradient-check.js';
import { consistency, embeddingConsistency, rampUp } from './consistency.js';

interface Expected {
  images: number;
  target: number[];
  loss: number;
  gradient: number[];
}

interface Golden {
  consistency: (Expected & { classes: number; distance: 'mse' | 'kl'; logits: number[] })[];
  embeddingConsistency: (Expected & { width: number; h: number[] })[];
}

// Written by tools/golden/ssl-consistency.py.
const golden: Golden = JSON.parse(
  readFileSync(new URL('../../golden/ssl-consistency.json', import.meta.url), 'utf8'),
);

beforeAll(async () => {
  await useBackend();
});

describe.each(['mse', 'kl'] as const)('consistency by %s', (distance) => {
  it('is 0, and without a gradient, where the prediction is the target', () => {
    const logits = random(5, 4);
    const target = tf.softmax(logits);

    expect(numberOf(consistency(logits, target, distance))).toBeCloseTo(0, 6);
    const gradient = tf.grad((x: tf.Tensor) => consistency(x, target, distance))(logits);
    expect(Math.max(...gradient.abs().dataSync())).toBeLessThan(1e-7);
  });

  it('does not care about a constant added to a row of logits', () => {
    const [logits, target] = [random(4, 3), tf.softmax(random(4, 3, 1))];
    const moved = tf.add(logits, tf.tensor2d([[3], [-7], [0], [20]]));

    expect(numberOf(consistency(moved, target, distance))).toBeCloseTo(
      numberOf(consistency(logits, target, distance)),
      5,
    );
  });

  it('has the gradient of finite differences, for soft, mixed and hard targets', () => {
    const logits = random(4, 3);
    const targets = [
      tf.softmax(random(4, 3, 1)),
      tf.add(tf.mul(tf.softmax(random(4, 3, 2)), 0.3), tf.mul(tf.softmax(random(4, 3, 3)), 0.7)),
      tf.oneHot(tf.tensor1d([0, 2, 1, 1], 'int32'), 3).toFloat(),
    ];
    for (const target of targets) {
      const { worst, largest } = gradientError((x) => consistency(x, target, distance), logits);

      expect(largest).toBeGreaterThan(0.01);
      expect(worst).toBeLessThan(2e-3 * largest);
    }
  });

  it('has the gradient its documentation states', () => {
    const [batch, classes] = [3, 4];
    const [logits, target] = [random(batch, classes), tf.softmax(random(batch, classes, 1))];
    const [p, q] = [tf.softmax(logits), target];
    const residual = tf.sub(p, q);
    const stated =
      distance === 'kl'
        ? tf.div(residual, batch)
        : tf.mul(tf.mul(p, tf.sub(residual, tf.sum(tf.mul(p, residual), 1, true))), 2 / (batch * classes));

    const gradient = tf.grad((x: tf.Tensor) => consistency(x, target, distance))(logits);

    expect(Math.max(...tf.abs(tf.sub(gradient, stated)).dataSync())).toBeLessThan(1e-7);
  });

  it('gives the target no gradient: a target that depends on the logits counts as a constant', () => {
    const logits = random(4, 3);
    const teacher = (x: tf.Tensor) => tf.softmax(tf.mul(x, 0.5));

    const through = tf.grad((x: tf.Tensor) => consistency(x, teacher(x), distance))(logits);
    const constant = teacher(logits);
    const alone = tf.grad((x: tf.Tensor) => consistency(x, constant, distance))(logits);

    expect([...through.dataSync()]).toEqual([...alone.dataSync()]);
  });

  it('stays finite, and so does its gradient, for certain predictions and certain targets', () => {
    const logits = tf.tensor2d([
      [200, 0],
      [0, 200],
    ]);
    const target = tf.tensor2d([
      [0, 1],
      [0, 1],
    ]);

    const gradient = tf.grad((x: tf.Tensor) => consistency(x, target, distance))(logits);

    expect(Number.isFinite(numberOf(consistency(logits, target, distance)))).toBe(true);
    expect([...gradient.dataSync()].every(Number.isFinite)).toBe(true);
  });

  it('leaves no tensor behind', () => {
    const [logits, target] = [random(4, 3), tf.softmax(random(4, 3, 1))];

    expect(tensorsLeft(() => consistency(logits, target, distance))).toBe(0);
    expect(tensorsLeft(() => tf.grad((x: tf.Tensor) => consistency(x, target, distance))(logits))).toBe(0);
  });
});

describe('the bounds of consistency', () => {
  it.each([2, 5])('mse reaches 2 / C between opposite certainties and goes no further, C = %i', (classes) => {
    const certain = (at: number) => tf.oneHot(tf.tensor1d([at, at], 'int32'), classes).toFloat();

    expect(numberOf(consistency(tf.mul(certain(0), 100), certain(1), 'mse'))).toBeCloseTo(2 / classes, 6);
    for (let seed = 0; seed < 20; seed += 1) {
      const loss = consistency(tf.mul(random(3, classes, seed), 9), tf.softmax(random(3, classes, -seed)));
      expect(numberOf(loss)).toBeLessThanOrEqual(2 / classes);
    }
  });

  it('kl is ln C for a uniform prediction of a certain target, and the lead for a wrong certainty', () => {
    const target = tf.tensor2d([[1, 0, 0, 0]]);

    expect(numberOf(consistency(tf.zeros([1, 4]), target, 'kl'))).toBeCloseTo(Math.log(4), 6);
    expect(numberOf(consistency(tf.tensor2d([[0, 300, 0, 0]]), target, 'kl'))).toBeCloseTo(300, 3);
  });
});

describe('consistency of embeddings', () => {
  it.each([
    ['the same direction at another length', [[3, 4]], [[30, 40]], 0],
    ['a right angle', [[1, 0]], [[0, -2]], 1],
    ['the opposite', [[1, -2]], [[-1, 2]], 2],
    ['the mean over rows', [[1, 0], [1, 0]], [[1, 0], [-1, 0]], 1], // biome-ignore format: a row a case
  ])('of %s', (_, h, target, expected) => {
    expect(numberOf(embeddingConsistency(tf.tensor2d(h), tf.tensor2d(target)))).toBeCloseTo(expected, 6);
  });

  it('has the gradient of finite differences and gives the target none', () => {
    const [h, target] = [random(4, 3), random(4, 3, 1)];

    const { worst, largest } = gradientError((x) => embeddingConsistency(x, target), h, 3e-3);

    expect(largest).toBeGreaterThan(0.01);
    expect(worst).toBeLessThan(3e-3 * largest);
    const itself = tf.grad((x: tf.Tensor) => embeddingConsistency(x, tf.add(tf.mul(x, x), 1)))(h);
    const constant = tf.add(tf.mul(h, h), 1);
    const alone = tf.grad((x: tf.Tensor) => embeddingConsistency(x, constant))(h);
    expect([...itself.dataSync()]).toEqual([...alone.dataSync()]);
    expect(tensorsLeft(() => embeddingConsistency(h, target))).toBe(0);
    expect(tensorsLeft(() => tf.grad((x: tf.Tensor) => embeddingConsistency(x, target))(h))).toBe(0);
  });
});

describe('against PyTorch', () => {
  it.each(golden.consistency)('consistency by $distance and its gradient: $classes classes', (one) => {
    const shape: [number, number] = [one.images, one.classes];
    const target = tf.tensor2d(one.target, shape);

    expectLoss((x) => consistency(x, target, one.distance), tf.tensor2d(one.logits, shape), one);
  });

  it.each(golden.embeddingConsistency)('consistency of embeddings: width $width', (one) => {
    const shape: [number, number] = [one.images, one.width];
    const target = tf.tensor2d(one.target, shape);

    expectLoss((x) => embeddingConsistency(x, target), tf.tensor2d(one.h, shape), one);
  });
});

describe('the ramp', () => {
  it('rises from exp(-5) at the first step to 1 and stays there', () => {
    expect(rampUp(1, 100)).toBeCloseTo(Math.exp(-5), 12);
    expect(rampUp(51, 100)).toBeCloseTo(Math.exp(-1.25), 12);
    expect(rampUp(101, 100)).toBe(1);
    expect(rampUp(5000, 100)).toBe(1);
    const weights = Array.from({ length: 120 }, (_, index) => rampUp(index + 1, 100));
    expect(weights.every((weight, index) => index === 0 || weight >= weights[index - 1]!)).toBe(true);
  });

  it('is 1 from the first step where there is no ramp', () => {
    expect(rampUp(1, 0)).toBe(1);
  });
});

function expectLoss(
  loss: (x: tf.Tensor) => tf.Scalar,
  x: tf.Tensor,
  expected: { loss: number; gradient: number[] },
): void {
  expect(numberOf(loss(x))).toBeCloseTo(expected.loss, 5);
  const gradient = [
    ...tf
      .grad((input: tf.Tensor) => loss(input))(x)
      .dataSync(),
  ];
  const worst = Math.max(...gradient.map((value, at) => Math.abs(value - expected.gradient[at]!)));
  expect(worst).toBeLessThan(1e-6);
}

function random(rows: number, width: number, seed = 0): tf.Tensor {
  const rng = Rng.of('consistency', rows, width, seed);
  return tf.tensor2d(
    Float32Array.from({ length: rows * width }, () => rng.normal()),
    [rows, width],
  );
}

const numberOf = (scalar: tf.Scalar) => scalar.dataSync()[0]!;
