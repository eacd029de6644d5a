import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { histogramDistance } from './histogram-distance.js';

interface Golden {
  wasserstein: { a: number[]; b: number[]; distance: number }[];
}

// Written by tools/golden/brainfuse_quality.py.
const { wasserstein }: Golden = JSON.parse(
  readFileSync(new URL('../../golden/quality.json', import.meta.url), 'utf8'),
);

describe('the distance of grey values', () => {
  it.each(wasserstein)('is what scipy says, ties and sizes as they come: $distance', ({ a, b, distance }) => {
    expect(histogramDistance(Float32Array.from(a), Float32Array.from(b))).toBeCloseTo(distance, 6);
  });

  it('is the shift of a shifted set, and 0 for another order', () => {
    const values = Float32Array.from([0.5, 0.125, 0.25]);

    expect(
      histogramDistance(
        values,
        values.map((value) => value + 0.25),
      ),
    ).toBeCloseTo(0.25, 6);
    expect(histogramDistance(values, values.slice().reverse())).toBe(0);
  });
});
