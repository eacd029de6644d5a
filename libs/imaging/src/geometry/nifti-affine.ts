import { NIFTI1, type NIFTI2 } from 'nifti-reader-js';

import type { Matrix } from './orient.js';

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

export function statesOrientation({ sform_code, qform_code }: NIFTI1 | NIFTI2): boolean {
  return sform_code > 0 || qform_code > 0;
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
