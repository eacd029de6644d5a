import { Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { gradientError, tensorsLeft } from '../testing/gradient-check.js';
import { l2Normalise, ntXent } from './nt-xent.js';

beforeAll(async () => {
  await useBackend();
});

describe('NT-Xent', () => {
  it('is ln(1 + 2 exp(-2)) for two orthogonal images whose views agree, at temperature 0.5', () => {
    // Every view has its twin at similarity 1 / 0.5 and two others at 0: -ln(e^2 / (e^2 + 2)).
    const z = tf.tensor2d([
      [1, 0],
      [0, 1],
      [1, 0],
      [0, 1],
    ]);

    expect(numberOf(ntXent(z, 0.5))).toBeCloseTo(Math.log(1 + 2 * Math.exp(-2)), 6);
    expect(numberOf(ntXent(z, 0.5))).toBeCloseTo(0.23954, 5);
  });

  it.each([1, 2, 7, 64])('is ln(2N - 1) when all embeddings are one, N = %i', (images) => {
    const z = tf.tile(tf.tensor2d([[0.3, -0.8, 0.1]]), [2 * images, 1]);

    for (const temperature of [0.05, 0.5]) {
      expect(numberOf(ntXent(z, temperature))).toBeCloseTo(Math.log(2 * images - 1), 5);
    }
  });

  it('is twice ln(2N - 1) on collapse where both halves are added', () => {
    const z = tf.tile(tf.tensor2d([[0.3, -0.8, 0.1]]), [10, 1]);

    expect(numberOf(ntXent(z, 0.5, 'sum'))).toBeCloseTo(2 * Math.log(9), 4);
  });

  it.each([2, 5])(
    'falls to the floor of likeness 1 and unlikeness -1 / (N - 1) at best, N = %i',
    (images) => {
      // A simplex: views agree, and images are as far apart as N directions can be.
      const simplex = tf.sub(tf.eye(images), 1 / images);
      const temperature = 0.5;
      const [like, unlike] = [1 / temperature, -1 / (images - 1) / temperature];

      expect(numberOf(ntXent(tf.concat([simplex, simplex]), temperature))).toBeCloseTo(
        Math.log(1 + (2 * images - 2) * Math.exp(unlike - like)),
        5,
      );
    },
  );

  const grid = [1, 2, 5, 16].flatMap((images) =>
    [2, 8, 64].flatMap((width) => [0.05, 0.2, 1].map((temperature) => [images, width, temperature] as const)),
  );
  it.each(grid)('is what three loops give: N = %i, D = %i, temperature %d', (images, width, temperature) => {
    const z = random(2 * images, width);

    expect(Math.abs(numberOf(ntXent(z, temperature)) - byLoops(z, temperature))).toBeLessThan(1e-5);
  });

  it('does not care which view is first, nor how long the vectors are', () => {
    const z = random(12, 5);
    const loss = numberOf(ntXent(z, 0.2));
    const swapped = tf.concat([tf.slice(z, [6, 0], [6, 5]), tf.slice(z, [0, 0], [6, 5])]);
    const lengths = tf.tensor2d(
      Array.from({ length: 12 }, (_, row) => 0.1 + row),
      [12, 1],
    );

    expect(numberOf(ntXent(swapped, 0.2))).toBeCloseTo(loss, 5);
    expect(numberOf(ntXent(tf.mul(z, lengths), 0.2))).toBeCloseTo(loss, 5);
  });

  it('does not overflow where exponentials would, at temperature 0.005', () => {
    const z = random(20, 6);

    // exp(1 / 0.005) is beyond float32 (and e^400, the largest ratio, far beyond).
    expect(Math.abs(numberOf(ntXent(z, 0.005)) - byLoops(z, 0.005))).toBeLessThan(1e-3);
  });

  it('stays finite, and so does its gradient, when an embedding is zero', () => {
    const z = tf.tensor2d([
      [0, 0],
      [1, 2],
      [0, 0],
      [2, 1],
    ]);

    const [loss, gradient] = [ntXent(z, 0.2), tf.grad((x: tf.Tensor) => ntXent(x, 0.2))(z)];

    expect([numberOf(loss), ...gradient.dataSync()].every(Number.isFinite)).toBe(true);
  });

  it.each([0.2, 1])('has the gradient of finite differences at temperature %d', (temperature) => {
    const { worst, largest } = gradientError((z) => ntXent(z, temperature), random(6, 4), 3e-3);

    expect(largest).toBeGreaterThan(0.1);
    expect(worst).toBeLessThan(3e-3 * largest);
  });

  it('leaves no tensor behind', () => {
    const z = random(8, 4);

    expect(tensorsLeft(() => ntXent(z, 0.2))).toBe(0);
    expect(tensorsLeft(() => tf.grad((x: tf.Tensor) => ntXent(x, 0.2))(z))).toBe(0);
  });
});

describe('L2 normalisation', () => {
  it('makes rows of length 1 and leaves a zero row zero', () => {
    const unit = [
      ...l2Normalise(
        tf.tensor2d([
          [3, -4],
          [0, 0],
          [1e-3, 0],
        ]),
      ).dataSync(),
    ];

    [0.6, -0.8, 0, 0, 1, 0].forEach((expected, at) => {
      expect(unit[at]).toBeCloseTo(expected, 5);
    });
  });
});

/** Equation 1 of Chen et al. 2020 in float64: for every view i with twin j, -ln(exp(s_ij) / sum_{k != i} exp(s_ik)). */
function byLoops(z: tf.Tensor, temperature: number): number {
  const [views, width] = z.shape as [number, number];
  const values = [...z.dataSync()];
  const similarity = (i: number, k: number) => {
    let [dot, ii, kk] = [0, 0, 0];
    for (let d = 0; d < width; d += 1) {
      const [a, b] = [values[i * width + d]!, values[k * width + d]!];
      dot += a * b;
      ii += a * a;
      kk += b * b;
    }
    return dot / Math.sqrt(ii * kk) / temperature;
  };
  let total = 0;
  for (let i = 0; i < views; i += 1) {
    const twin = similarity(i, (i + views / 2) % views);
    let sum = 0;
    // e^400 is within float64.
    for (let k = 0; k < views; k += 1) if (k !== i) sum += Math.exp(similarity(i, k));
    total += Math.log(sum) - twin;
  }
  return total / views;
}

function random(rows: number, width: number): tf.Tensor {
  const rng = Rng.of('nt-xent', rows, width);
  return tf.tensor2d(
    Float32Array.from({ length: rows * width }, () => rng.normal()),
    [rows, width],
  );
}

const numberOf = (scalar: tf.Scalar) => scalar.dataSync()[0]!;
