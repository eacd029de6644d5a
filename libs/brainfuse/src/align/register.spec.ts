import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { type Affine, applyAffine, identityAffine } from './affine.js';
import { register } from './register.js';
import type { Grid } from './sample-grid.js';

const PLANE: Grid = { spatial: [40, 36], spacing: [1, 1] };
const VOLUME: Grid = { spatial: [20, 24, 22], spacing: [1.2, 1, 1] };

/** A smooth body of a few blobs, off the middle so that nothing looks the same turned. */
function body({ spatial, spacing }: Grid, seed: string): Float32Array {
  const rng = Rng.of('body', seed);
  const extent = spatial.map((edge, axis) => edge * spacing[axis]!);
  const blobs = Array.from({ length: 6 }, () => ({
    centre: extent.map((length) => rng.uniform(-0.25, 0.25) * length),
    width: rng.uniform(0.06, 0.12) * Math.min(...extent),
    height: rng.uniform(0.3, 1),
  }));
  const voxels = spatial.reduce((product, edge) => product * edge, 1);
  return Float32Array.from({ length: voxels }, (_, voxel) => {
    let rest = voxel;
    const place = new Array<number>(spatial.length);
    for (let axis = spatial.length - 1; axis >= 0; axis -= 1) {
      place[axis] = ((rest % spatial[axis]!) - (spatial[axis]! - 1) / 2) * spacing[axis]!;
      rest = Math.floor(rest / spatial[axis]!);
    }
    return blobs.reduce((sum, { centre, width, height }) => {
      const square = centre.reduce((total, at, axis) => total + (place[axis]! - at) ** 2, 0);
      return sum + height * Math.exp(-square / (2 * width * width));
    }, 0);
  });
}

function turned(axes: number, angle: number, offset: number[], scale = 1): Affine {
  const affine = identityAffine(axes);
  const [a, b] = [axes - 2, axes - 1];
  affine.matrix[a * axes + a] = scale * Math.cos(angle);
  affine.matrix[a * axes + b] = -scale * Math.sin(angle);
  affine.matrix[b * axes + a] = scale * Math.sin(angle);
  affine.matrix[b * axes + b] = scale * Math.cos(angle);
  affine.offset = offset;
  return affine;
}

const difference = (a: Float32Array, b: Float32Array) =>
  Math.sqrt(a.reduce((sum, value, at) => sum + (value - b[at]!) ** 2, 0) / a.length);

/** The furthest that the true map after the found one leaves a place half way to the border from itself, in its units. */
function displacement(truth: Affine, found: Affine, { spatial, spacing }: Grid): number {
  const axes = spatial.length;
  const apply = ({ matrix, offset }: Affine, place: number[]) =>
    offset.map((shift, row) =>
      place.reduce((sum, value, column) => sum + matrix[row * axes + column]! * value, shift),
    );
  const corners = Array.from({ length: 2 ** axes }, (_, corner) =>
    spatial.map((edge, axis) => ((corner >> axis) & 1 ? 1 : -1) * 0.25 * edge * spacing[axis]!),
  );
  return Math.max(
    ...corners.map((place) =>
      Math.hypot(...apply(truth, apply(found, place)).map((at, axis) => at - place[axis]!)),
    ),
  );
}

describe.each([
  ['a plane', PLANE, turned(2, 0.2, [2, -3]), turned(2, -0.15, [1, 2], 1.12)],
  ['a volume', VOLUME, turned(3, 0.15, [2, -1.5, 1]), turned(3, 0.1, [1, 1, -1], 0.92)],
] as const)('registration of %s', (_, grid, rigid, affine) => {
  it('finds a turn and a shift again, to a third of a unit', () => {
    const fixed = body(grid, 'one');
    const moving = applyAffine(fixed, grid, 1, rigid);
    const found = register(fixed, moving, grid, 'rigid');
    expect(displacement(rigid, found, grid)).toBeLessThan(0.35);
    expect(displacement(rigid, identityAffine(grid.spatial.length), grid)).toBeGreaterThan(3);
    expect(Math.hypot(...found.matrix.slice(-grid.spatial.length))).toBeCloseTo(1, 6);
  });

  it('finds a change of size too when it may', () => {
    const fixed = body(grid, 'two');
    const moving = applyAffine(fixed, grid, 1, affine);
    // The prior keeps some of a change of size that few patients differ by.
    const found = displacement(affine, register(fixed, moving, grid, 'affine'), grid);
    expect(found).toBeLessThan(0.3 * displacement(affine, identityAffine(grid.spatial.length), grid));
    const byAffine = applyAffine(moving, grid, 1, register(fixed, moving, grid, 'affine'));
    const byRigid = applyAffine(moving, grid, 1, register(fixed, moving, grid, 'rigid'));
    expect(difference(byAffine, fixed)).toBeLessThan(difference(byRigid, fixed));
  });

  it('is not moved by a lesion that one patient has', () => {
    const fixed = body(grid, 'five');
    const brightest = Math.max(...fixed);
    const moving = applyAffine(fixed, grid, 1, rigid).map((value) =>
      value > 0.6 * brightest ? 2 * brightest : value,
    );
    expect(displacement(rigid, register(fixed, moving, grid, 'rigid'), grid)).toBeLessThan(1);
  });

  it('leaves equal images where they are', () => {
    const fixed = body(grid, 'three');
    const { matrix, offset } = register(fixed, fixed, grid, 'affine');
    const { matrix: unit } = identityAffine(grid.spatial.length);
    matrix.forEach((value, at) => {
      expect(value).toBeCloseTo(unit[at]!, 4);
    });
    for (const value of offset) expect(Math.abs(value)).toBeLessThan(0.01);
  });

  it('is never worse than no registration, noise against noise included', () => {
    const noise = (seed: string) => {
      const rng = Rng.of(seed);
      return Float32Array.from(body(grid, 'four'), () => rng.uniform());
    };
    const [fixed, moving] = [noise('a'), noise('b')];
    const found = applyAffine(moving, grid, 1, register(fixed, moving, grid, 'affine'));
    expect(difference(found, fixed)).toBeLessThanOrEqual(difference(moving, fixed) * 1.001);
    const flat = new Float32Array(fixed.length);
    expect(register(flat, flat, grid, 'rigid')).toEqual(identityAffine(grid.spatial.length));
  });

  it('fills what the moving image does not reach from the fixed one, if given', () => {
    const fixed = body(grid, 'six').map((value) => value + 1);
    const moved = { ...identityAffine(grid.spatial.length), offset: grid.spatial.map(() => 4) };
    const zeros = new Float32Array(fixed.length);
    const filled = applyAffine(zeros, grid, 1, moved, fixed);
    expect(filled.at(-1)).toBe(fixed.at(-1));
    expect(filled[0]).toBe(0);
  });
});
