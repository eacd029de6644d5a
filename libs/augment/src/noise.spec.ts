import { describe, expect, it } from 'vitest';
import { addNoise } from './noise.js';

const [ROWS, ROW] = [2000, 64];

describe('noise', () => {
  const noise = drawn(1);

  it('is Gaussian: variance, skewness, kurtosis and tails', () => {
    const moment = (power: number) => noise.reduce((sum, value) => sum + value ** power, 0) / noise.length;

    expect(Math.abs(moment(1))).toBeLessThan(0.01);
    expect(moment(2)).toBeCloseTo(1, 1);
    expect(Math.abs(moment(3))).toBeLessThan(0.05);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.1);
    // Beyond 2 and 3 standard deviations: 4.55 % and 0.27 %.
    const beyond = (limit: number) => noise.filter((value) => Math.abs(value) > limit).length / noise.length;
    expect(beyond(2)).toBeCloseTo(0.0455, 2);
    expect(beyond(3)).toBeCloseTo(0.0027, 3);
  });

  it('tells neither of its neighbours, along or across rows', () => {
    for (const apart of [1, 2, ROW, 2 * ROW, ROW + 1]) {
      const products = noise.subarray(apart).reduce((sum, value, i) => sum + value * noise[i]!, 0);
      // The standard deviation of the mean of 128,000 products of independent normal numbers is 0.0028.
      expect(Math.abs(products / noise.length)).toBeLessThan(0.012);
    }
  });

  it('is another one for another seed', () => {
    const other = drawn(2);
    const products = noise.reduce((sum, value, i) => sum + value * other[i]!, 0);

    expect(Math.abs(products / noise.length)).toBeLessThan(0.012);
    expect(Buffer.compare(Buffer.from(drawn(1).buffer), Buffer.from(noise.buffer))).toBe(0);
  });

  it('serves a row longer than its table', () => {
    const values = new Float32Array(150_000).fill(0.5);

    addNoise(values, values.length, 0.01, 3);

    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - 0.5) ** 2, 0) / values.length);
    expect(deviation).toBeCloseTo(0.01, 3);
    expect(values.every((value) => value !== 0.5)).toBe(true);
  });

  it('stays in [0, 1]', () => {
    const values = Float32Array.from({ length: 1000 }, (_, i) => i % 2);

    addNoise(values, 10, 0.5, 1);

    expect(values.every((value) => value >= 0 && value <= 1)).toBe(true);
    expect(values.some((value) => value > 0 && value < 1)).toBe(true);
  });
});

/** Standard normal numbers, from noise too small to be cut off. */
function drawn(seed: number): Float32Array {
  const values = new Float32Array(ROWS * ROW).fill(0.5);
  addNoise(values, ROW, 0.02, seed);
  return values.map((value) => (value - 0.5) / 0.02);
}
