import { readFileSync } from 'node:fs';
import { Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { gradientError, tensorsLeft } from '../testing/gradient-check.js';
import { maskedReconstruction } from './masked-reconstruction.js';

interface Golden {
  maskedAutoencoding: {
    shape: number[];
    patch: number;
    normPix: boolean;
    patches: number[];
    tokens: number;
    mask: number[];
    prediction: number[];
    loss: number;
    gradient: number[];
  }[];
}

// Written by tools/golden/ssl_pretext.py.
const golden: Golden = JSON.parse(
  readFileSync(new URL('../../golden/ssl-pretext.json', import.meta.url), 'utf8'),
);

beforeAll(async () => {
  await useBackend();
});

it.each(golden.maskedAutoencoding)(
  'is forward_loss of the MAE reference, and its gradient: $shape, patch $patch, norm-pix $normPix',
  ({ shape, normPix, patches, tokens, mask, prediction, loss, gradient }) => {
    const of = (values: number[]) =>
      tf.tensor3d(values, [shape[0]!, tokens, patches.length / shape[0]! / tokens]);
    const masked = tf.tensor2d(mask, [shape[0]!, tokens]);
    const lossOf = (x: tf.Tensor) => maskedReconstruction(x, of(patches), masked, normPix);

    expect(lossOf(of(prediction)).dataSync()[0]).toBeCloseTo(loss, 5);
    const found = tf
      .grad((x: tf.Tensor) => lossOf(x))(of(prediction))
      .dataSync();
    expect(Math.max(...gradient.map((value, at) => Math.abs(value - found[at]!)))).toBeLessThan(1e-5);
  },
);

describe('closed forms', () => {
  it('is 0 for a perfect prediction, with and without norm-pix', () => {
    const mask = tf.tensor2d([[1, 0, 1, 1]]);
    const normed = tf.tensor3d([[...Array(4)].map(() => [-1, 1, 1, -1].map((v) => v * Math.sqrt(0.75)))]);
    const raw = random([1, 4, 4]);

    expect(value(normed, normed, mask, true)).toBeCloseTo(0, 6);
    expect(value(raw, raw, mask, false)).toBe(0);
  });

  it('starts at (n - 1) / n for a prediction of 0 on norm-pix, whatever brightness and contrast', () => {
    for (const [pixels, scale, offset] of [
      [16, 1, 0],
      [64, 0.2, -0.7],
      [4, 30, 5],
    ] as const) {
      const target = tf.add(tf.mul(random([3, 5, pixels]), scale), offset);
      const loss = value(tf.zeros([3, 5, pixels]), target, tf.ones([3, 5]), true);

      expect(loss).toBeCloseTo((pixels - 1) / pixels, 4);
    }
  });

  it('counts a constant patch as 0 on norm-pix: the start falls by the share of blank patches', () => {
    const target = tf.concat([random([1, 3, 16]), tf.fill([1, 1, 16], -1)], 1);

    expect(value(tf.zeros([1, 4, 16]), target, tf.ones([1, 4]), true)).toBeCloseTo((0.75 * 15) / 16, 4);
  });

  it('is the mean square of the masked pixels for a prediction of 0 without norm-pix', () => {
    const target = tf.fill([2, 3, 8], 0.5);

    expect(
      value(
        tf.zeros([2, 3, 8]),
        target,
        tf.tensor2d([
          [1, 0, 0],
          [1, 1, 0],
        ]),
        false,
      ),
    ).toBeCloseTo(0.25, 6);
  });
});

it('does not depend on what is predicted for, or stands in, visible patches', () => {
  const [prediction, target] = [random([2, 6, 16], 1), random([2, 6, 16], 2)];
  const mask = tf.tensor2d([
    [1, 0, 1, 1, 0, 0],
    [0, 1, 1, 0, 1, 0],
  ]);
  const noise = tf.mul(random([2, 6, 16], 3), tf.reshape(tf.sub(1, mask), [2, 6, 1]));

  for (const normPix of [true, false]) {
    const loss = value(prediction, target, mask, normPix);
    expect(value(tf.add(prediction, noise), tf.add(target, noise), mask, normPix)).toBeCloseTo(loss, 6);
  }
});

it('does not depend on the order of patches or images', () => {
  const [prediction, target, mask] = [
    random([2, 4, 8], 1),
    random([2, 4, 8], 2),
    tf.tensor2d([
      [1, 0, 1, 1],
      [0, 1, 1, 1],
    ]),
  ];
  const turned = (x: tf.Tensor) => tf.reverse(x, [0, 1]);

  expect(value(turned(prediction), turned(target), turned(mask), true)).toBeCloseTo(
    value(prediction, target, mask, true),
    6,
  );
});

it.each([[true], [false]])('has the gradient of finite differences, norm-pix %s', (normPix) => {
  const [target, mask] = [
    random([2, 3, 4], 5),
    tf.tensor2d([
      [1, 0, 1],
      [1, 1, 0],
    ]),
  ];
  const { worst, largest } = gradientError(
    (x) => maskedReconstruction(x, target, mask, normPix),
    random([2, 3, 4], 6),
  );

  expect(worst).toBeLessThan(1e-2 * largest);
});

it('leaves no tensor behind', () => {
  const [prediction, target, mask] = [random([1, 2, 4], 1), random([1, 2, 4], 2), tf.ones([1, 2])];

  expect(tensorsLeft(() => maskedReconstruction(prediction, target, mask, true))).toBe(0);
});

function value(prediction: tf.Tensor, target: tf.Tensor, mask: tf.Tensor, normPix: boolean): number {
  return maskedReconstruction(prediction, target, mask, normPix).dataSync()[0]!;
}

function random(shape: number[], seed = 0): tf.Tensor {
  const rng = Rng.of('reconstruction', seed, ...shape);
  return tf.tensor(
    Array.from({ length: shape.reduce((product, edge) => product * edge, 1) }, () => rng.normal()),
    shape,
  );
}
