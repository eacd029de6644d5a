import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { maskWeights } from './mask.js';
import { drawSmoothFields, type SmoothFieldsDraw } from './smooth-fields.js';

/** The plain formula, voxel by voxel: linear interpolation on the lattice, then the ramp. */
function plainWeights(
  { fields, nodes, width }: SmoothFieldsDraw,
  sources: number,
  spatial: number[],
): Float32Array {
  const voxels = spatial.reduce((product, edge) => product * edge, 1);
  const lattice = nodes.reduce((product, count) => product * count, 1);
  const weights = new Float32Array(sources * voxels);
  for (let voxel = 0; voxel < voxels; voxel += 1) {
    let rest = voxel;
    const place: number[] = [];
    for (let axis = spatial.length - 1; axis >= 0; axis -= 1) {
      place[axis] = (((rest % spatial[axis]!) + 0.5) / spatial[axis]!) * (nodes[axis]! - 1);
      rest = Math.floor(rest / spatial[axis]!);
    }
    const scores = Array.from({ length: sources }, (_, source) => {
      let sum = 0;
      for (let corner = 0; corner < 2 ** spatial.length; corner += 1) {
        let weight = 1;
        let index = 0;
        place.forEach((at, axis) => {
          const low = Math.min(nodes[axis]! - 2, Math.floor(at));
          const high = (corner >> axis) & 1;
          weight *= high ? at - low : 1 - (at - low);
          index = index * nodes[axis]! + low + high;
        });
        sum += weight * fields[source * lattice + index]!;
      }
      return sum;
    });
    const best = Math.max(...scores);
    const ramp = scores.map((score) => Math.max(0, 1 - (best - score) / width));
    const total = ramp.reduce((sum, value) => sum + value, 0);
    ramp.forEach((value, source) => {
      weights[source * voxels + voxel] = value / total;
    });
  }
  return weights;
}

describe('smooth fields', () => {
  it.each([
    [2, [28, 28], 24],
    [2, [20, 17, 23], 6],
    [5, [40, 31], 12],
    [8, [18, 30, 22], 24],
    [3, [3, 40], 3],
    [1, [9, 9], 24],
  ])(
    'of %i sources on %j give by runs what the plain formula gives by voxels',
    (sources, spatial, sharpness) => {
      const draw = drawSmoothFields(
        { strategy: 'smooth-fields', cells: 4, sharpness },
        sources,
        spatial,
        Rng.of('fields', sources),
      );
      const weights = maskWeights(draw, sources, spatial, new Float32Array());
      const plain = plainWeights(draw, sources, spatial);
      const furthest = weights.reduce((most, weight, at) => Math.max(most, Math.abs(weight - plain[at]!)), 0);
      expect(furthest).toBeLessThan(1e-5);
    },
  );

  it('of twice the sharpness have borders half as wide', () => {
    const mixed = (sharpness: number) => {
      const spatial = [96, 96];
      const draw = drawSmoothFields(
        { strategy: 'smooth-fields', cells: 4, sharpness },
        4,
        spatial,
        Rng.of('borders'),
      );
      return maskWeights(draw, 4, spatial, new Float32Array()).filter((weight) => weight > 0 && weight < 1)
        .length;
    };
    expect(mixed(48) / mixed(24)).toBeGreaterThan(0.4);
    expect(mixed(48) / mixed(24)).toBeLessThan(0.6);
  });
});
