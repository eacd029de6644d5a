import { readFileSync } from 'node:fs';
import { type AdamState, adamw, clipNorm, learningRateAt } from '@medformer/optimisers';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { barlowTwins } from './losses/barlow-twins.js';
import { crossEntropy } from './losses/cross-entropy.js';
import { ntXent } from './losses/nt-xent.js';

interface TwoViewCase {
  images: number;
  width: number;
  z: number[];
  loss: number;
  gradient: number[];
}

interface Golden {
  ntXent: (TwoViewCase & { temperature: number })[];
  barlowTwins: (TwoViewCase & { lambda: number })[];
  crossEntropy: {
    images: number;
    classes: number;
    smoothing: number;
    logits: number[];
    labels: number[];
    loss: number;
    gradient: number[];
  }[];
  adamw: {
    settings: Omit<Parameters<typeof learningRateAt>[2], 'schedule'> & {
      beta1: number;
      beta2: number;
      weightDecay: number;
      clipNorm: number;
    };
    decayed: number[];
    start: number[];
    steps: {
      gradient: number[];
      norm: number;
      clipped: number[];
      learningRate: number;
      parameters: number[];
    }[];
  };
}

// Written by tools/golden/ssl.py.
const golden: Golden = JSON.parse(readFileSync(new URL('../golden/ssl.json', import.meta.url), 'utf8'));

beforeAll(async () => {
  await useBackend();
});

describe('against lightly', () => {
  it.each(golden.ntXent)('NT-Xent and its gradient: N $images, D $width, temperature $temperature', (one) => {
    expectLoss((z) => ntXent(z, one.temperature), tf.tensor2d(one.z, [2 * one.images, one.width]), one);
  });

  it.each(golden.barlowTwins)('Barlow Twins and its gradient: N $images, D $width, lambda $lambda', (one) => {
    expectLoss((z) => barlowTwins(z, one.lambda), tf.tensor2d(one.z, [2 * one.images, one.width]), one);
  });
});

describe('against PyTorch', () => {
  it.each(golden.crossEntropy)(
    'cross entropy and its gradient: $classes classes, smoothing $smoothing',
    (one) => {
      const labels = tf.oneHot(tf.tensor1d(one.labels, 'int32'), one.classes).toFloat();
      const logits = tf.tensor2d(one.logits, [one.images, one.classes]);

      expectLoss((x) => crossEntropy(x, labels, one.smoothing), logits, one);
    },
  );

  it('AdamW, clipping and schedule, step for step', () => {
    const { settings, decayed, start, steps } = golden.adamw;
    const zeros = tf.zeros([start.length]);
    let state: AdamState = { parameters: tf.tensor1d(start), m: zeros, v: zeros };
    steps.forEach((expected, index) => {
      const step = index + 1;
      const { clipped, norm } = clipNorm(tf.tensor1d(expected.gradient), settings.clipNorm);
      const learningRate = learningRateAt(step, steps.length, { ...settings, schedule: { name: 'cosine' } });
      state = adamw(
        state,
        clipped,
        tf.tensor1d(decayed),
        tf.scalar(learningRate),
        tf.tensor1d([1 - settings.beta1 ** step, 1 - settings.beta2 ** step]),
        settings,
      );

      expect(norm.dataSync()[0]).toBeCloseTo(expected.norm, 5);
      expect(learningRate).toBeCloseTo(expected.learningRate, 12);
      expectClose(clipped, expected.clipped);
      expectClose(state.parameters, expected.parameters);
    });
  });
});

function expectLoss(
  loss: (x: tf.Tensor) => tf.Scalar,
  x: tf.Tensor,
  expected: { loss: number; gradient: number[] },
): void {
  expect(loss(x).dataSync()[0]).toBeCloseTo(expected.loss, 5);
  expectClose(tf.grad((input: tf.Tensor) => loss(input))(x), expected.gradient, 1e-5);
}

function expectClose(found: tf.Tensor, expected: number[], tolerance = 1e-6): void {
  const values = [...found.dataSync()];
  expect(values.length).toBe(expected.length);
  expect(Math.max(...values.map((value, at) => Math.abs(value - expected[at]!)))).toBeLessThan(tolerance);
}
