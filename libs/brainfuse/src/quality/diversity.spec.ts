import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { diversity } from './diversity.js';

describe('diversity', () => {
  it('is 0 for copies', () => {
    const image = Float32Array.from([0.1, 0.7, 0.3]);

    expect(diversity([image, image.slice(), image.slice()])).toBeCloseTo(0, 7);
  });

  it('is the root mean square of all pairwise differences', () => {
    const rng = Rng.of('diversity');
    const images = Array.from({ length: 6 }, () => Float32Array.from({ length: 9 }, () => rng.uniform()));
    const squares = images.flatMap((a, i) =>
      images.slice(i + 1).flatMap((b) => Array.from(a, (value, at) => (value - b[at]!) ** 2)),
    );

    const byPairs = Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length);
    expect(diversity(images)).toBeCloseTo(byPairs, 6);
  });
});
