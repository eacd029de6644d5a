import { Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import type { AdamState } from './adam-moments.js';
import { adamw } from './adamw.js';

const SETTINGS = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1 };

beforeAll(async () => {
  await useBackend();
});

describe('AdamW', () => {
  it('takes the steps of the published algorithm', () => {
    const size = 6;
    const rng = Rng.of('adamw');
    const decayed = [1, 1, 1, 0, 0, 0];
    const expected = { parameters: normals(rng, size), m: Array(size).fill(0), v: Array(size).fill(0) };
    let state: AdamState = {
      parameters: tf.tensor1d(expected.parameters),
      m: tf.zeros([size]),
      v: tf.zeros([size]),
    };
    for (let step = 1; step <= 25; step += 1) {
      // Gradients of very different sizes, as layers have.
      const gradient = normals(rng, size).map((value, at) => value * 10 ** (at - 3));
      const rate = 0.03 / step;
      byLoop(expected, gradient, decayed, rate, step);
      state = adamw(
        state,
        tf.tensor1d(gradient),
        tf.tensor1d(decayed),
        tf.tensor1d([rate]),
        tf.tensor1d([1 - SETTINGS.beta1 ** step, 1 - SETTINGS.beta2 ** step]),
        SETTINGS,
      );
    }
    expectClose(state.parameters, expected.parameters);
    expectClose(state.m, expected.m, 1e-4);
  });

  it('moves every parameter by the learning rate at the first step, whatever its gradient', () => {
    const { parameters } = adamw(
      { parameters: tf.tensor1d([1, 1, 1]), m: tf.zeros([3]), v: tf.zeros([3]) },
      tf.tensor1d([1e-3, -5, 100]),
      tf.zeros([3]),
      tf.tensor1d([0.01]),
      tf.tensor1d([0.1, 0.05]),
      SETTINGS,
    );

    expectClose(parameters, [0.99, 1.01, 0.99], 1e-5);
  });

  it('decays only what is marked, also where the gradient is zero', () => {
    const { parameters } = adamw(
      { parameters: tf.tensor1d([2, 2]), m: tf.zeros([2]), v: tf.zeros([2]) },
      tf.zeros([2]),
      tf.tensor1d([1, 0]),
      tf.tensor1d([0.5]),
      tf.tensor1d([0.1, 0.05]),
      SETTINGS,
    );

    // 2 (1 - 0.5 x 0.1)
    expectClose(parameters, [1.9, 2]);
  });
});

/** Loshchilov and Hutter 2019, algorithm 2, in float64; the schedule multiplier is the learning rate. */
function byLoop(
  state: { parameters: number[]; m: number[]; v: number[] },
  gradient: number[],
  decayed: number[],
  rate: number,
  step: number,
): void {
  const { beta1, beta2, weightDecay } = SETTINGS;
  for (let i = 0; i < gradient.length; i += 1) {
    state.m[i] = beta1 * state.m[i]! + (1 - beta1) * gradient[i]!;
    state.v[i] = beta2 * state.v[i]! + (1 - beta2) * gradient[i]! ** 2;
    const mHat = state.m[i]! / (1 - beta1 ** step);
    const vHat = state.v[i]! / (1 - beta2 ** step);
    const decay = decayed[i]! * weightDecay * state.parameters[i]!;
    state.parameters[i]! -= rate * (mHat / (Math.sqrt(vHat) + 1e-8) + decay);
  }
}

const normals = (rng: Rng, length: number) => Array.from({ length }, () => rng.normal());

function expectClose(found: tf.Tensor, expected: number[], tolerance = 1e-6): void {
  const values = [...found.dataSync()];
  expect(values.length).toBe(expected.length);
  expect(Math.max(...values.map((value, at) => Math.abs(value - expected[at]!)))).toBeLessThan(tolerance);
}
