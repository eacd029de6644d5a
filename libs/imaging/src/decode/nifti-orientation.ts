import { NIFTI1, type NIFTI2 } from 'nifti-reader-js';

type Matrix = readonly (readonly number[])[];

const MM_PER_UNIT: Readonly<Record<number, number>> = {
  [NIFTI1.UNITS_METER]: 1000,
  [NIFTI1.UNITS_MICRON]: 0.001,
};

/**
 * Rows x, y, z (right, anterior, superior; mm) of the voxel-to-world matrix, without the offset: sform before
 * qform. With neither, the axes lie along the world's with x running to the left, as nibabel assumes of
 * Analyze-style files (the standard's method 1 says nothing on the side).
 */
export function niftiAffine(header: NIFTI1 | NIFTI2): Matrix {
  const mm = MM_PER_UNIT[header.xyzt_units & NIFTI1.SPATIAL_UNITS_MASK] ?? 1;
  const [, dx = 1, dy = 1, dz = 1] = header.pixDims;
  const matrix =
    header.sform_code > 0
      ? header.affine
      : header.qform_code > 0
        ? quaternionMatrix(header)
        : [
            [-dx, 0, 0],
            [0, dy, 0],
            [0, 0, dz],
          ];
  return matrix.slice(0, 3).map((row) => row.slice(0, 3).map((entry) => entry * mm));
}

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

/** The rotation of quatern_b, c, d with pixdim and qfac (nifti1.h, method 2). */
function quaternionMatrix({ quatern_b: b, quatern_c: c, quatern_d: d, pixDims }: NIFTI1 | NIFTI2): Matrix {
  const a = Math.sqrt(Math.max(0, 1 - (b * b + c * c + d * d)));
  const [sign = 1, dx = 1, dy = 1, depth = 1] = pixDims;
  const dz = sign < 0 ? -depth : depth;
  return [
    [(a * a + b * b - c * c - d * d) * dx, 2 * (b * c - a * d) * dy, 2 * (b * d + a * c) * dz],
    [2 * (b * c + a * d) * dx, (a * a + c * c - b * b - d * d) * dy, 2 * (c * d - a * b) * dz],
    [2 * (b * d - a * c) * dx, 2 * (c * d + a * b) * dy, (a * a + d * d - c * c - b * b) * dz],
  ];
}
