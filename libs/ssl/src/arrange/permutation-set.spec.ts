import { readFileSync } from 'node:fs';
import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { hammingDistances, permutationSet } from './permutation-set.js';

interface Golden {
  permutationSet: { tiles: number; count: number; mean: number; least: number }[];
}

// Written by tools/golden/ssl_pretext.py.
const golden: Golden = JSON.parse(
  readFileSync(new URL('../../golden/ssl-pretext.json', import.meta.url), 'utf8'),
);

it.each([
  [4, 24],
  [8, 40],
  [9, 100],
  [27, 50],
])('holds distinct permutations: %i tiles, %i of them', (tiles, count) => {
  const set = permutationSet(tiles, count, Rng.of('set'));

  expect(new Set(set.map(String)).size).toBe(count);
  for (const permutation of set) {
    expect([...permutation].sort((a, b) => a - b)).toEqual([...Array(tiles).keys()]);
  }
});

it('is the same for the same seed and another for another', () => {
  const [one, again, other] = ['a', 'a', 'b'].map((seed) => permutationSet(9, 20, Rng.of(seed)).map(String));

  expect(again).toEqual(one);
  expect(other).not.toEqual(one);
});

describe('the mean Hamming distance', () => {
  it.each(golden.permutationSet)(
    'is what the greedy choice over all permutations reaches: $tiles tiles, $count',
    ({ tiles, count, mean, least }) => {
      const found = hammingDistances(permutationSet(tiles, count, Rng.of('golden')));

      expect(found.mean).toBeCloseTo(mean, 9);
      expect(found.least).toBeGreaterThanOrEqual(least);
    },
  );

  it.each([
    [9, 50],
    [9, 100],
    [8, 60],
    [27, 64],
  ])('is the largest there is: %i tiles, %i permutations', (tiles, count) => {
    // Pairs that agree in a place are fewest when every tile stands in every place equally often.
    const [each, more] = [Math.floor(count / tiles), count % tiles];
    const agreeing = tiles * (more * pairs(each + 1) + (tiles - more) * pairs(each));

    expect(hammingDistances(permutationSet(tiles, count, Rng.of(0))).mean).toBeCloseTo(
      1 - agreeing / (tiles * pairs(count)),
      9,
    );
  });

  it.each([
    [9, 30],
    [8, 20],
    [27, 30],
  ])(
    'is above that of each of 200 random sets, and the least is not below theirs: %i tiles, %i',
    (tiles, count) => {
      const random = Array.from({ length: 200 }, (_, seed) => {
        const rng = Rng.of('random', seed);
        return hammingDistances(Array.from({ length: count }, () => rng.permutation(tiles)));
      });
      const found = hammingDistances(permutationSet(tiles, count, Rng.of(1)));

      expect(found.mean).toBeGreaterThan(Math.max(...random.map(({ mean }) => mean)));
      expect(found.least).toBeGreaterThanOrEqual(Math.max(...random.map(({ least }) => least)));
    },
  );
});

it.each([
  [4, 25],
  [1, 2],
  [9, 1],
  [4.5, 3],
])('refuses what cannot be: %d tiles, %d permutations', (tiles, count) => {
  expect(() => permutationSet(tiles, count, Rng.of(0))).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('permutations') }),
  );
});

const pairs = (count: number) => (count * (count - 1)) / 2;
