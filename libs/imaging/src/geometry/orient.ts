import type { Voxels, VoxelValues } from '../voxels.js';

/** Rows right, anterior, superior; columns the voxel axes; mm. */
export type Matrix = readonly (readonly number[])[];

/**
 * How to read the voxel axes so that they run to the right, anterior and superior as closely as flips and
 * permutations allow (the greedy choice of nibabel's `io_orientation`).
 *
 * @returns for world x, y, z: the voxel axis to read, whether backwards, and the spacing in mm.
 */
export function closestToRas(affine: Matrix): {
  sources: number[];
  flipped: boolean[];
  spacingMm: [number, number, number];
} {
  const zooms = [0, 1, 2].map((axis) => Math.hypot(...affine.map((row) => row[axis]!)));
  const sources = [-1, -1, -1];
  const flipped = [false, false, false];
  const left: number[] = [];
  for (const axis of [0, 1, 2]) {
    const cosines = affine.map((row, world) => (sources[world] === -1 ? row[axis]! / (zooms[axis] || 1) : 0));
    const world = cosines.reduce(
      (best, value, i) => (Math.abs(value) > Math.abs(cosines[best]!) ? i : best),
      0,
    );
    if (Math.abs(cosines[world]!) < 1e-5) {
      left.push(axis);
      continue;
    }
    sources[world] = axis;
    flipped[world] = cosines[world]! < 0;
  }
  for (const axis of left) sources[sources.indexOf(-1)] = axis;
  return { sources, flipped, spacingMm: sources.map((axis) => zooms[axis]!) as [number, number, number] };
}

/**
 * A volume whose axes run to the right, anterior and superior as closely as flips and permutations allow, ordered
 * depth, height, width. Values that stand so already are not copied. A volume of one slice becomes an image.
 *
 * @param values x fastest, then y, then z, `channels` of a voxel together.
 */
export function toRas(
  values: VoxelValues,
  size: readonly [number, number, number],
  channels: number,
  affine: Matrix,
): Voxels {
  const { sources, flipped, spacingMm } = closestToRas(affine);
  const strides = [channels, size[0] * channels, size[0] * size[1] * channels];
  const [x, y, z] = sources.map((source, axis) => {
    const stride = strides[source]!;
    const edge = size[source]!;
    return flipped[axis]
      ? { edge, step: -stride, start: (edge - 1) * stride }
      : { edge, step: stride, start: 0 };
  }) as [Axis, Axis, Axis];
  const asIs = sources.every((source, axis) => source === axis && (!flipped[axis] || size[source] === 1));
  const ordered = asIs ? values : reordered(values, [x, y, z], channels);
  const plane = { shape: [y.edge, x.edge, channels], values: ordered, orientation: 'RAS' as const };
  const [dx, dy, dz] = spacingMm;
  const known = spacingMm.every((edge) => edge > 0 && Number.isFinite(edge));
  if (z.edge === 1) return known ? { ...plane, spacingMm: [dy, dx] } : plane;
  const volume = { ...plane, shape: [z.edge, ...plane.shape] };
  return known ? { ...volume, spacingMm: [dz, dy, dx] } : volume;
}

interface Axis {
  edge: number;
  step: number;
  start: number;
}

function reordered(values: VoxelValues, [x, y, z]: [Axis, Axis, Axis], channels: number): VoxelValues {
  const result = new (values.constructor as new (length: number) => VoxelValues)(values.length);
  const length = x.edge * channels;
  const backwards = x.step === -channels && channels === 1;
  let to = 0;
  for (let k = 0; k < z.edge; k += 1) {
    for (let j = 0; j < y.edge; j += 1) {
      const from = z.start + k * z.step + y.start + j * y.step + x.start;
      if (x.step === channels) result.set(values.subarray(from, from + length), to);
      else if (backwards) {
        result.set(values.subarray(from - length + 1, from + 1), to);
        result.subarray(to, to + length).reverse();
      } else {
        for (let i = 0; i < x.edge; i += 1) {
          for (let channel = 0; channel < channels; channel += 1) {
            result[to + i * channels + channel] = values[from + i * x.step + channel]!;
          }
        }
      }
      to += length;
    }
  }
  return result;
}
