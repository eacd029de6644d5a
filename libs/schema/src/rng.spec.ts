import { describe, expect, it } from 'vitest';
import { Rng } from './rng.js';

describe('Rng', () => {
  it('gives the same sequence for the same key and another for another key', () => {
    const draw = (...key: (string | number)[]) =>
      Array.from(
        { length: 8 },
        (
          (r) => () =>
            r.uint32()
        )(Rng.of(...key)),
      );
    expect(draw(7, 'views', 3)).toEqual(draw(7, 'views', 3));
    expect(draw(7, 'views', 3)).not.toEqual(draw(7, 'views', 4));
    expect(draw(7, 'views', 3)).not.toEqual(draw('7', 'views', 3));
  });

  it('draws uniform numbers with mean 1/2 and variance 1/12', () => {
    const rng = Rng.of('uniform');
    const values = Array.from({ length: 100_000 }, () => rng.uniform());
    const mean = values.reduce((s, v) => s + v, 0) / values.length;
    const variance = values.reduce((s, v) => s + (v - mean) ** 2, 0) / values.length;
    expect(mean).toBeCloseTo(0.5, 2);
    expect(variance).toBeCloseTo(1 / 12, 2);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
  });

  it('draws normal numbers with the first four moments of the Gaussian', () => {
    const rng = Rng.of('normal');
    const values = Array.from({ length: 200_000 }, () => rng.normal());
    const moment = (k: number) => values.reduce((s, v) => s + v ** k, 0) / values.length;
    expect(moment(1)).toBeCloseTo(0, 1);
    expect(moment(2)).toBeCloseTo(1, 1);
    expect(moment(3)).toBeCloseTo(0, 1);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.15);
  });

  it('draws Poisson counts whose mean and variance equal the rate, on both sides of the switch', () => {
    for (const rate of [0.5, 8, 60]) {
      const rng = Rng.of('poisson', rate);
      const counts = Array.from({ length: 50_000 }, () => rng.poisson(rate));
      const mean = counts.reduce((s, v) => s + v, 0) / counts.length;
      const variance = counts.reduce((s, v) => s + (v - mean) ** 2, 0) / counts.length;
      expect(Math.abs(mean / rate - 1)).toBeLessThan(0.03);
      expect(Math.abs(variance / rate - 1)).toBeLessThan(0.05);
    }
  });

  it('permutes without losing or repeating an element', () => {
    const order = Rng.of('order').permutation(1000);
    expect([...order].sort((x, y) => x - y)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  });
});
