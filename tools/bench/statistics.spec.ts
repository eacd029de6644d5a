import { expect, it } from 'vitest';
import { isKept, printCase } from './print.mjs';
import { quantile, ratioOf, summarise } from './statistics.mjs';

it('interpolates quantiles between the order statistics', () => {
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(quantile([4, 1, 3, 2], 0)).toBe(1);
  expect(quantile([7], 0.25)).toBe(7);
  expect(summarise([5, 1, 3])).toEqual({ count: 3, min: 1, lower: 2, median: 3, upper: 4, max: 5 });
});

it('compares neighbours in time: a round that was slow for both sides changes no ratio', () => {
  const ratio = ratioOf(
    [
      [1, 1, 1],
      [10, 10, 10],
      [1, 1, 9],
    ],
    [
      [2, 2, 2],
      [20, 20, 20],
      [2, 2, 2],
    ],
  );

  expect(ratio).toMatchObject({ min: 2, median: 2, max: 2 });
});

it('judges a promise by the median, from either side', () => {
  const found = summarise([1, 2.1, 9]);

  expect(isKept({ found, least: 2 })).toBe(true);
  expect(isKept({ found, most: 2 })).toBe(false);
  expect(isKept({ found: 0, most: 0 })).toBe(true);
  expect(isKept({ found: Number.NaN, least: 2 })).toBe(false);
  expect(isKept({ found: Number.NaN, most: 2 })).toBe(false);
});

it('prints sides, promises and what was left out', () => {
  const text = printCase(
    { title: 'A case' },
    {
      unit: 'ms',
      rows: [{ side: 'medformer', ms: summarise([1, 2, 3]) }],
      columns: [['each', () => 'x']],
      promises: [{ what: 'waiting', found: 0.021, most: 0.05, percent: true }],
      notes: ['a note'],
      failed: { compiled: 'no\nC++ compiler' },
    },
  );

  expect(text).toContain('A case\nms         median');
  expect(text).toMatch(/medformer\s+2\.00\s+1\.50 – 2\.50\s+1\.00 – 3\.00\s+x/);
  expect(text).toContain('✓ waiting: 2.1 %, wanted at most 5.0 %\na note\nleft out: compiled: C++ compiler');
});
