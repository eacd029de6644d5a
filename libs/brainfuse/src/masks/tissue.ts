import type { MaskSpec, Rng } from '@medformer/schema';
import { quantiles } from '../quantiles.js';
import { dealt } from './dealt.js';
import type { SpanVisitor } from './spans.js';

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
 * The anchor's voxels are classed by grey value, cut at the quantiles of all that is not its darkest value, which is
 * mostly air.
 *
 * @param anchor the first channel of the anchor, [voxels]
 */
export function visitTissue({ owner }: TissueDraw, anchor: Float32Array, visitor: SpanVisitor): void {
  const cuts = quantileCuts(anchor, owner.length);
  const ownerOf = (value: number) => {
    let tissue = 0;
    while (tissue < cuts.length && value > cuts[tissue]!) tissue += 1;
    return owner[tissue]!;
  };
  for (let begin = 0; begin < anchor.length; ) {
    const source = ownerOf(anchor[begin]!);
    let end = begin + 1;
    while (end < anchor.length && ownerOf(anchor[end]!) === source) end += 1;
    visitor.whole(begin, end, source);
    begin = end;
  }
}

/** classes - 1 ascending values. */
function quantileCuts(values: Float32Array, classes: number): Float32Array {
  return quantiles(values, classes + 1).subarray(1, classes);
}
