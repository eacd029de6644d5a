import type { MaskSpec, Rng } from '@medformer/schema';
import { dealt } from './dealt.js';

export interface TissueDraw {
  strategy: 'tissue';
  /** [classes]: whose each class of grey values is, from dark to bright. */
  owner: Int32Array;
}

/** Classes of grey values dealt out evenly. */
export function drawTissue(
  { classes }: Extract<MaskSpec, { strategy: 'tissue' }>,
  sources: number,
  rng: Rng,
): TissueDraw {
  return { strategy: 'tissue', owner: dealt(classes, sources, rng) };
}

/**
 * Weights [sources, voxels] of 0 and 1: the anchor's voxels are classed by grey value, cut at the quantiles of all that
 * is not its darkest value, which is mostly air.
 *
 * @param anchor the first channel of the anchor, [voxels]
 */
export function tissueWeights({ owner }: TissueDraw, sources: number, anchor: Float32Array): Float32Array {
  const cuts = quantileCuts(anchor, owner.length);
  const weights = new Float32Array(sources * anchor.length);
  anchor.forEach((value, voxel) => {
    let tissue = 0;
    while (tissue < cuts.length && value > cuts[tissue]!) tissue += 1;
    weights[owner[tissue]! * anchor.length + voxel] = 1;
  });
  return weights;
}

/** classes - 1 ascending values. */
function quantileCuts(values: Float32Array, classes: number): number[] {
  const sorted = values.slice().sort();
  const darkest = sorted[0]!;
  const begin = sorted.findIndex((value) => value > darkest);
  const body = begin < 0 ? sorted : sorted.subarray(begin);
  return Array.from(
    { length: classes - 1 },
    (_, cut) => body[Math.floor(((cut + 1) * body.length) / classes)]!,
  );
}
