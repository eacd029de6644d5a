import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { drawMask, maskWeights } from '../masks/mask.js';
import { seamMap } from './seam-map.js';

const SEAM = { core: 1, reach: 4 };

/** Two sources along a line. */
const two = (...first: number[]) => Float32Array.from([...first, ...first.map((weight) => 1 - weight)]);

describe('the seam map', () => {
  it('is 1 beside a cut and falls linearly from the core to the reach', () => {
    const { border, band } = seamMap(two(1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0), [1, 11], SEAM);

    expect([...border]).toEqual([0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0]);
    [0, 0, 1 / 3, 2 / 3, 1, 1, 1, 1, 2 / 3, 1 / 3, 0].forEach((expected, at) => {
      expect(band[at]).toBeCloseTo(expected, 6);
    });
  });

  it('is 1 where two sources lie half over each other', () => {
    const soft = two(1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0);

    expect(seamMap(soft, [11, 1], SEAM).border[5]).toBeCloseTo(1, 6);
    expect(seamMap(soft, [11, 1], SEAM).border[1]).toBeCloseTo(0.2, 6);
  });

  it('is 0 everywhere for one source', () => {
    const { border, band } = seamMap(new Float32Array(27).fill(1), [3, 3, 3], SEAM);

    expect(Math.max(...border, ...band)).toBe(0);
  });

  it('has every distance along the axes right, in planes and in space', () => {
    for (const spatial of [
      [9, 7],
      [5, 6, 4],
    ]) {
      const voxels = spatial.reduce((product, edge) => product * edge, 1);
      const draw = drawMask(
        { strategy: 'voronoi', centres: 1, softness: 0 },
        2,
        spatial,
        Rng.of('seam', voxels),
      );
      const { border, band } = seamMap(
        maskWeights(draw, 2, spatial, new Float32Array(voxels)),
        spatial,
        SEAM,
      );
      const place = (voxel: number) => {
        let rest = voxel;
        return spatial
          .toReversed()
          .map((edge) => {
            const at = rest % edge;
            rest = Math.floor(rest / edge);
            return at;
          })
          .reverse();
      };
      for (let voxel = 0; voxel < voxels; voxel += 1) {
        const distances = Array.from(border, (strength, other) =>
          strength === 0
            ? Number.POSITIVE_INFINITY
            : place(voxel).reduce((sum, at, axis) => sum + Math.abs(at - place(other)[axis]!), 0),
        );
        expect(band[voxel]).toBeCloseTo(Math.min(1, Math.max(0, (4 - Math.min(...distances)) / 3)), 6);
      }
    }
  });
});
