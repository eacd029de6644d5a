import { Matrix } from 'ml-matrix';
import { type Affine, forEachVoxel, inVoxels, transform } from './affine.js';
import type { Level } from './pyramid.js';
import { Sampler } from './sample-grid.js';

/**
 * Mean cost of the differences between two images and its normal equations for small changes of the map: shifts, in units
 * of length of the grid, then the entries of the matrix, row by row. The cost of a difference d is d^2 / (1 + (d / scale)^2)
 * (Geman and McClure 1987): beyond the scale it hardly grows, so that a lesion which one patient has does not move the
 * other's head.
 */
export function normalEquations(
  { spatial, spacing, fixed, moving }: Level,
  affine: Affine,
  scale: number,
  stride: number,
): { cost: number; hessian: Matrix; gradient: number[] } {
  const axes = spatial.length;
  const size = axes + axes * axes;
  const jacobian = new Float64Array(size);
  const hessian = new Float64Array(size * size);
  const gradient = new Float64Array(size);
  const { matrix, offset } = inVoxels(affine, { spatial, spacing });
  const sampler = new Sampler(moving, spatial);
  const place = new Float64Array(axes);
  let cost = 0;
  let samples = 0;
  forEachVoxel(spatial, stride, (voxel, at) => {
    transform(matrix, offset, at, place);
    const difference = sampler.at(place) - fixed[voxel]!;
    for (let row = 0; row < axes; row += 1) {
      const slope = sampler.gradient[row]! / spacing[row]!;
      jacobian[row] = slope;
      // From the middle of the moving image: changes turn and stretch about it.
      for (let column = 0; column < axes; column += 1)
        jacobian[axes + row * axes + column] =
          slope * (place[column]! - (spatial[column]! - 1) / 2) * spacing[column]!;
    }
    const excess = 1 + (difference / scale) ** 2;
    const weight = 1 / (excess * excess);
    cost += (difference * difference) / excess;
    samples += 1;
    for (let a = 0; a < size; a += 1) {
      const weighted = weight * jacobian[a]!;
      if (weighted === 0) continue;
      gradient[a]! += weighted * difference;
      for (let b = 0; b <= a; b += 1) hessian[a * size + b]! += weighted * jacobian[b]!;
    }
  });
  for (let a = 0; a < size; a += 1)
    for (let b = 0; b < a; b += 1) hessian[b * size + a] = hessian[a * size + b]!;
  return {
    cost: cost / samples,
    hessian: Matrix.from1DArray(size, size, hessian).div(samples),
    gradient: Array.from(gradient, (value) => value / samples),
  };
}
