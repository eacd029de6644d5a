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

/** The values are tenths. */
function counted(values: readonly number[]): Float64Array {
  const counts = new Float64Array(11);
  for (const value of values) counts[Math.round(10 * value)]! += 1;
  return counts;
}

describe('the distance of grey values', () => {
  it.each(wasserstein)('is what scipy says, ties and sizes as they come: $distance', ({ a, b, distance }) => {
    expect(histogramDistance(counted(a), counted(b))).toBeCloseTo(distance, 12);
  });

  it('is the shift of a shifted histogram, whatever the sizes', () => {
    const once = counted([0.1, 0.3, 0.5]);

    expect(histogramDistance(once, counted([0.3, 0.5, 0.7]))).toBeCloseTo(0.2, 12);
    expect(histogramDistance(once, counted([0.1, 0.1, 0.3, 0.3, 0.5, 0.5]))).toBeCloseTo(0, 12);
  });
});
