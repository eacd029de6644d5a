import { Rng } from '@medformer/schema';
import { expect, it } from 'vitest';
import { patchMask, visibleCount } from './patch-mask.js';

it.each([
  [49, 0.75, 12],
  [196, 0.75, 49],
  [343, 0.75, 85],
  [4, 0.9, 1],
  [3, 0.1, 2],
])('of %i tokens masked at %d leaves %i to see, in every image', (tokens, ratio, visible) => {
  expect(visibleCount(tokens, ratio)).toBe(visible);
  for (let draw = 0; draw < 20; draw += 1) {
    const mask = patchMask(tokens, ratio, Rng.of(draw));

    expect(mask.length).toBe(tokens);
    expect(mask.filter((value) => value === 0).length).toBe(visible);
    expect(mask.filter((value) => value === 1).length).toBe(tokens - visible);
  }
});

it('masks every token equally often', () => {
  const draws = 4000;
  const counts = new Float64Array(16);
  const rng = Rng.of('even');
  for (let draw = 0; draw < draws; draw += 1)
    patchMask(16, 0.75, rng).forEach((value, token) => {
      counts[token]! += value;
    });

  // Six standard deviations of a binomial share of 0.75.
  const allowed = 6 * Math.sqrt((0.75 * 0.25) / draws);
  for (const count of counts) expect(Math.abs(count / draws - 0.75)).toBeLessThan(allowed);
});

it('is the same for the same seed', () => {
  expect(patchMask(49, 0.75, Rng.of('a'))).toEqual(patchMask(49, 0.75, Rng.of('a')));
  expect(patchMask(49, 0.75, Rng.of('b'))).not.toEqual(patchMask(49, 0.75, Rng.of('a')));
});

it('needs one token to see and one to predict', () => {
  expect(() => patchMask(1, 0.75, Rng.of(0))).toThrow(
    expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('at least 2 an image'),
    }),
  );
});
