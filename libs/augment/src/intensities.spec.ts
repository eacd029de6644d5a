import { expect, it } from 'vitest';
import { gamma } from './intensities.js';

it.each([0.25, 0.6, 0.99, 1.3, 1.7, 2, 4])(
  'raises to the power of %d within float32 rounding',
  (exponent) => {
    const steps = 20_000;
    const values = Float32Array.from({ length: steps + 1 }, (_, i) => i / steps);
    const before = values.slice();

    gamma(values, exponent);

    const worst = values.reduce((most, value, i) => {
      const exact = before[i]! ** exponent;
      return Math.max(most, Math.abs(value - exact) / Math.max(exact, 1e-30));
    }, 0);
    // Half a unit in float32's last place is 6e-8 of a value; the series adds as much.
    expect(worst).toBeLessThan(3e-7);
  },
);

it('keeps black black and white white, takes the smallest numbers, and leaves [0, 1] never', () => {
  const values = Float32Array.of(0, 1, 2 ** -126, 2 ** -149, 1 - 2 ** -24);

  gamma(values, 0.6);

  expect([values[0], values[1]]).toEqual([0, 1]);
  expect(values[2]! / 2 ** (-126 * 0.6)).toBeCloseTo(1, 6);
  expect(values.every((value) => value >= 0 && value <= 1)).toBe(true);
});

it('works on a part of a larger array', () => {
  const all = Float32Array.of(0.5, 0.5, 0.5, 0.5);

  gamma(all.subarray(1, 3), 2);

  expect([...all]).toEqual([0.5, 0.25, 0.25, 0.5]);
});
