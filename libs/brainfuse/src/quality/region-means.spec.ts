import { describe, expect, it } from 'vitest';
import { regionDrift, regionMeans } from './region-means.js';

const WEIGHTS = Float32Array.from([1, 0.5, 0, 0, 0.5, 1, 0, 0, 0]);

describe('region means', () => {
  it('weigh each voxel by how much of the source is in it', () => {
    const [first, second, absent] = regionMeans(Float32Array.from([0.2, 0.5, 0.8]), WEIGHTS, 1);

    expect(first).toBeCloseTo((0.2 + 0.25) / 1.5, 6);
    expect(second).toBeCloseTo((0.25 + 0.8) / 1.5, 6);
    expect(absent).toBeNaN();
  });

  it('are of all channels', () => {
    const [only] = regionMeans(Float32Array.from([0, 0.3, 0.6, 0.6, 0.3, 0]), Float32Array.from([1, 1]), 3);

    expect(only).toBeCloseTo(0.3, 6);
  });

  it('drift by what was added, as a share of the fusion: not at all where nothing was', () => {
    const before = Float32Array.from([0.4, 0.5, 0.6]);

    expect(regionDrift(before, before, WEIGHTS, 1)).toBe(0);
    expect(
      regionDrift(
        before,
        before.map((value) => value + 0.05),
        WEIGHTS,
        1,
      ),
    ).toBeCloseTo(0.1, 5);
  });
});
