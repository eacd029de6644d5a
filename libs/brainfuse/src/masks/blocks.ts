import type { MaskSpec, Rng } from '@medformer/schema';
import { dealt } from './dealt.js';

export interface BlocksDraw {
  strategy: 'blocks';
  /** Blocks per spatial axis. */
  cells: number[];
  /** [...cells]: whose each block is. */
  owner: Int32Array;
}

/** Equal blocks dealt out evenly. */
export function drawBlocks(
  { cells }: Extract<MaskSpec, { strategy: 'blocks' }>,
  sources: number,
  spatial: readonly number[],
  rng: Rng,
): BlocksDraw {
  const perAxis = spatial.map((edge) => Math.min(cells, edge));
  const blocks = perAxis.reduce((product, count) => product * count, 1);
  return { strategy: 'blocks', cells: perAxis, owner: dealt(blocks, sources, rng) };
}

/** Weights [sources, ...spatial] of 0 and 1. */
export function blocksWeights(
  { cells, owner }: BlocksDraw,
  sources: number,
  spatial: readonly number[],
): Float32Array {
  const voxels = spatial.reduce((product, edge) => product * edge, 1);
  const weights = new Float32Array(sources * voxels);
  for (let voxel = 0; voxel < voxels; voxel += 1) {
    let rest = voxel;
    let block = 0;
    let stride = 1;
    for (let axis = spatial.length - 1; axis >= 0; axis -= 1) {
      const edge = spatial[axis]!;
      block += Math.floor(((rest % edge) * cells[axis]!) / edge) * stride;
      stride *= cells[axis]!;
      rest = Math.floor(rest / edge);
    }
    weights[owner[block]! * voxels + voxel] = 1;
  }
  return weights;
}
