import { Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { gradientError, tensorsLeft } from '../testing/gradient-check.js';
import { barlowTwins } from './barlow-twins.js';

const LAMBDA = 0.0051;

beforeAll(async () => {
  await useBackend();
});

describe('the loss of Barlow Twins', () => {
  const grid = [2, 5, 32].flatMap((images) =>
    [1, 4, 16].flatMap((width) => [0.0051, 0.5].map((lambda) => [images, width, lambda] as const)),
  );
  it.each(grid)('is what loops in float64 give: N = %i, D = %i, lambda %d', (images, width, lambda) => {
    const z = random(2 * images, width);
    const expected = byLoops(z, lambda);

    expect(Math.abs(numberOf(barlowTwins(z, lambda)) - expected)).toBeLessThan(1e-5 * Math.max(1, expected));
  });

  it('is 0 for views that agree on features that are orthogonal', () => {
    // The columns of a Hadamard matrix, less the constant one.
    const features = [
      [1, 1, 1],
      [-1, 1, -1],
      [1, -1, -1],
      [-1, -1, 1],
    ];

    expect(numberOf(barlowTwins(tf.tensor2d([...features, ...features]), LAMBDA))).toBeCloseTo(0, 6);
  });

  it('has the floor lambda D (D - 1) / N for views that agree on independent features', () => {
    const [images, width, draws] = [256, 64, 4];
    const losses = Array.from({ length: draws }, (_, draw) => {
      const one = random(images, width, draw);
      return numberOf(barlowTwins(tf.concat([one, one]), LAMBDA));
    });

    const expected = (LAMBDA * width * (width - 1)) / images;
    // The mean of 2016 squared correlations of four draws scatters by 1.6 %.
    expect(Math.abs(losses.reduce((sum, loss) => sum + loss, 0) / draws / expected - 1)).toBeLessThan(0.06);
  });

  it('starts at D (1 + 1/N) + lambda D (D - 1) / N for independent views', () => {
    const [images, width, draws] = [128, 64, 6];
    const losses = Array.from({ length: draws }, (_, draw) =>
      numberOf(barlowTwins(random(2 * images, width, draw), 0.1)),
    );

    const expected = width * (1 + 1 / images) + (0.1 * width * (width - 1)) / images;
    // One draw scatters by sqrt(D) 2 / sqrt(N), here 2 %.
    expect(Math.abs(losses.reduce((sum, loss) => sum + loss, 0) / draws / expected - 1)).toBeLessThan(0.03);
  });

  it('never sees a correlation above (N - 1) / N by the sample deviation: like views cost D / N^2', () => {
    // The columns of a Hadamard matrix, less the constant one: uncorrelated, so nothing is left off the diagonal.
    const features = [
      [1, 1, 1],
      [-1, 1, -1],
      [1, -1, -1],
      [-1, -1, 1],
    ];

    expect(numberOf(barlowTwins(tf.tensor2d([...features, ...features]), LAMBDA, 'sample'))).toBeCloseTo(
      3 / 4 ** 2,
      5,
    );
  });

  it('counts a feature that is the negative of itself in the other view as 4', () => {
    const one = random(10, 1);

    expect(numberOf(barlowTwins(tf.concat([one, tf.neg(one)]), LAMBDA))).toBeCloseTo(4, 3);
  });

  it('does not care which view is first', () => {
    const z = random(16, 6);
    const swapped = tf.concat([tf.slice(z, [8, 0], [8, 6]), tf.slice(z, [0, 0], [8, 6])]);

    expect(numberOf(barlowTwins(swapped, LAMBDA))).toBeCloseTo(numberOf(barlowTwins(z, LAMBDA)), 5);
  });

  it('does not care about scale and offset of a feature', () => {
    const z = random(40, 3);
    const moved = tf.add(tf.mul(z, tf.tensor1d([2, 5, 0.7])), tf.tensor1d([-3, 10, 0.2]));

    expect(numberOf(barlowTwins(moved, 0.1))).toBeCloseTo(numberOf(barlowTwins(z, 0.1)), 3);
  });

  it('is D for features that are constant, and its gradient finite', () => {
    const z = tf.ones([8, 5]);

    for (const normalisation of ['batch', 'sample'] as const) {
      expect(numberOf(barlowTwins(z, LAMBDA, normalisation))).toBeCloseTo(5, 6);
      const gradient = tf.grad((x: tf.Tensor) => barlowTwins(x, LAMBDA, normalisation))(z);
      expect([...gradient.dataSync()].every(Number.isFinite)).toBe(true);
    }
  });

  it.each(['batch', 'sample'] as const)('has the gradient of finite differences, %s', (normalisation) => {
    const { worst, largest } = gradientError((z) => barlowTwins(z, 0.2, normalisation), random(10, 3), 3e-3);

    expect(largest).toBeGreaterThan(0.1);
    expect(worst).toBeLessThan(3e-3 * largest);
  });

  it('leaves no tensor behind', () => {
    const z = random(8, 4);

    expect(tensorsLeft(() => barlowTwins(z, LAMBDA))).toBe(0);
    expect(tensorsLeft(() => tf.grad((x: tf.Tensor) => barlowTwins(x, LAMBDA))(z))).toBe(0);
  });
});

/** Equation 1 of Zbontar et al. 2021 in float64. */
function byLoops(z: tf.Tensor, lambda: number): number {
  const [rows, width] = z.shape as [number, number];
  const images = rows / 2;
  const values = [...z.dataSync()];
  const feature = (view: number, d: number) => {
    const column = Array.from({ length: images }, (_, row) => values[(view * images + row) * width + d]!);
    const mean = column.reduce((sum, value) => sum + value, 0) / images;
    const variance = column.reduce((sum, value) => sum + (value - mean) ** 2, 0) / images;
    return column.map((value) => (value - mean) / Math.sqrt(variance + 1e-5));
  };
  let loss = 0;
  for (let i = 0; i < width; i += 1) {
    const first = feature(0, i);
    for (let j = 0; j < width; j += 1) {
      const second = feature(1, j);
      const correlation = first.reduce((sum, value, n) => sum + value * second[n]!, 0) / images;
      loss += i === j ? (1 - correlation) ** 2 : lambda * correlation ** 2;
    }
  }
  return loss;
}

function random(rows: number, width: number, seed = 0): tf.Tensor {
  const rng = Rng.of('barlow-twins', rows, width, seed);
  return tf.tensor2d(
    Float32Array.from({ length: rows * width }, () => rng.normal()),
    [rows, width],
  );
}

const numberOf = (scalar: tf.Scalar) => scalar.dataSync()[0]!;
