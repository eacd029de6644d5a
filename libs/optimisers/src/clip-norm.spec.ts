import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { clipNorm } from './clip-norm.js';

beforeAll(async () => {
  await useBackend();
});

describe('clipping by norm', () => {
  it('keeps the direction and cuts the length to the limit', () => {
    expectClipped([3, -4], 1, [0.6, -0.8]);
    expectClipped([3, -4], 2.5, [1.5, -2]);
  });

  it('leaves a shorter gradient as it is', () => {
    expectClipped([0.3, -0.4], 1, [0.3, -0.4]);
    expectClipped([0, 0], 1, [0, 0]);
  });

  it('is switched off by the limit 0', () => {
    expectClipped([300, -400], 0, [300, -400]);
  });

  it('says the norm before clipping', () => {
    expect(clipNorm(tf.tensor1d([3, -4]), 1).norm.dataSync()[0]).toBe(5);
    expect(clipNorm(tf.tensor1d([3, -4]), 0).norm.dataSync()[0]).toBe(5);
  });
});

function expectClipped(gradient: number[], limit: number, expected: number[]): void {
  const values = [...clipNorm(tf.tensor1d(gradient), limit).clipped.dataSync()];
  values.forEach((value, at) => {
    expect(value).toBeCloseTo(expected[at]!, 5);
  });
  expect(values.length).toBe(expected.length);
}
