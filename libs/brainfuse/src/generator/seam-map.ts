import type { GeneratorSpec } from '@medformer/schema';
import { borderBetween, eachNeighbours } from '../neighbours.js';

/** Where the borders between a fusion's regions run. Both float32 [...spatial] in [0, 1]. */
export interface SeamMap {
  /** How much of a border is at a voxel: 1 beside a cut and where two sources are half and half, 0 inside a region. */
  border: Float32Array;
  /** How far a voxel is drawn anew: 1 at borders, falling to 0 away from them. */
  band: Float32Array;
}

/** @param weights [sources, ...spatial], of sum 1 at every voxel */
export function seamMap(
  weights: Float32Array,
  spatial: readonly number[],
  { core, reach }: GeneratorSpec['seam'],
): SeamMap {
  const border = borderMap(weights, spatial);
  const band = border.map((strength) => strength * reach);
  dilate(band, spatial);
  for (let voxel = 0; voxel < band.length; voxel += 1)
    band[voxel] = Math.min(1, band[voxel]! / (reach - core));
  return { border, band };
}

function borderMap(weights: Float32Array, spatial: readonly number[]): Float32Array {
  const voxels = spatial.reduce((product, edge) => product * edge, 1);
  const border = new Float32Array(voxels);
  const most = new Float32Array(voxels);
  for (let at = 0; at < weights.length; at += voxels)
    for (let voxel = 0; voxel < voxels; voxel += 1)
      if (weights[at + voxel]! > most[voxel]!) most[voxel] = weights[at + voxel]!;
  for (let voxel = 0; voxel < voxels; voxel += 1)
    border[voxel] = Math.min(1, Math.max(0, 2 * (1 - most[voxel]!)));
  const between = borderBetween(weights, spatial);
  eachNeighbours(spatial, (p, q, axis) => {
    const cut = Math.min(1, between[p * spatial.length + axis]!);
    if (cut > border[p]!) border[p] = cut;
    if (cut > border[q]!) border[q] = cut;
  });
  return border;
}

/** Every value becomes the largest of all voxels' values less their distance along the axes: one sweep each way an axis. */
function dilate(values: Float32Array, spatial: readonly number[]): void {
  let inner = 1;
  for (let axis = spatial.length - 1; axis >= 0; axis -= 1) {
    const block = inner * spatial[axis]!;
    for (let begin = 0; begin < values.length; begin += block) {
      for (let at = begin + inner; at < begin + block; at += 1)
        values[at] = Math.max(values[at]!, values[at - inner]! - 1);
      for (let at = begin + block - inner - 1; at >= begin; at -= 1)
        values[at] = Math.max(values[at]!, values[at + inner]! - 1);
    }
    inner = block;
  }
}
