import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { regionDrift } from '../quality/region-means.js';
import { keepMeans } from './keep-means.js';

const rng = Rng.of('keep means');
const noise = (length: number, low: number, high: number) =>
  Float32Array.from({ length }, () => rng.uniform(low, high));

describe('keeping the means of regions', () => {
  it('brings them back, cut or soft, and leaves what was not drawn anew', () => {
    const cut = noise(300, 0, 1).map((value) => Math.round(value));
    for (const first of [cut, noise(300, 0, 1)]) {
      const weights = Float32Array.from([...first, ...first.map((weight) => 1 - weight)]);
      const values = noise(600, 0.2, 0.7);
      const band = noise(300, -0.5, 1).map((value) => Math.max(0, value));
      const repaired = values.map((value, at) => value * (1 + 0.3 * band[Math.floor(at / 2)]!));
      const before = repaired.slice();
      expect(regionDrift(values, repaired, weights, 2)).toBeGreaterThan(0.05);

      keepMeans(repaired, { values, weights }, band);

      expect(regionDrift(values, repaired, weights, 2)).toBeLessThan(0.002);
      repaired.forEach((value, at) => {
        if (band[Math.floor(at / 2)] === 0) expect(value).toBe(before[at]);
      });
    }
  });

  it('leaves black black and stays in range', () => {
    const values = Float32Array.from([0.9, 0.9, 0, 0]);
    const repaired = Float32Array.from([0.1, 1, 0, 0]);

    keepMeans(
      repaired,
      { values, weights: Float32Array.from([1, 1, 0, 0, 0, 0, 1, 1]) },
      new Float32Array(4).fill(1),
    );

    expect([...repaired.subarray(2)]).toEqual([0, 0]);
    expect(repaired[1]).toBe(1);
    expect(repaired[0]).toBeGreaterThan(0.1);
    expect(repaired[0]).toBeLessThanOrEqual(1);
  });
});
