import { readFileSync } from 'node:fs';
import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { frechetDistance } from './frechet-distance.js';

interface Golden {
  frechet: { a: number[][]; b: number[][]; distance: number }[];
}

// Written by tools/golden/brainfuse_quality.py.
const { frechet }: Golden = JSON.parse(
  readFileSync(new URL('../../golden/quality.json', import.meta.url), 'utf8'),
);

const normals = (rows: number, width: number) => {
  const rng = Rng.of('frechet');
  return Array.from({ length: rows }, () => Array.from({ length: width }, () => rng.normal()));
};

describe('the Frechet distance', () => {
  it.each(frechet)('is what the general matrix root gives: $distance', ({ a, b, distance }) => {
    expect(Math.abs(frechetDistance(a, b) / distance - 1)).toBeLessThan(1e-9);
  });

  it('is 0 for a set and itself, also with more dimensions than embeddings', () => {
    const few = normals(5, 12);

    expect(frechetDistance(few, few)).toBeLessThan(1e-6);
  });

  it('is the squared distance of the means of equal clouds', () => {
    const cloud = normals(50, 3);
    const moved = cloud.map(([x, y, z]) => [x! + 3, y!, z! - 4]);

    expect(frechetDistance(cloud, moved)).toBeCloseTo(25, 6);
  });

  it('is the squared difference of the spreads on one axis', () => {
    const cloud = normals(50, 1);
    const mean = cloud.reduce((sum, [x]) => sum + x!, 0) / cloud.length;
    const spread = Math.sqrt(cloud.reduce((sum, [x]) => sum + (x! - mean) ** 2, 0) / (cloud.length - 1));
    const wider = cloud.map(([x]) => [mean + 3 * (x! - mean)]);

    expect(frechetDistance(cloud, wider)).toBeCloseTo((2 * spread) ** 2, 6);
  });

  it('refuses a single embedding and widths that differ', () => {
    expect(() => frechetDistance([[1, 2]], [[1, 2]])).toThrow('expected at least 2 of one width, found 1');
    expect(() => frechetDistance(normals(3, 2), normals(3, 4))).toThrow('expected one width, found 2 and 4');
  });
});
