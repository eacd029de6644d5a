import type { MaskSpec, Rng } from '@medformer/schema';
import { type BlocksDraw, drawBlocks, visitBlocks } from './blocks.js';
import { drawSmoothFields, type SmoothFieldsDraw, visitSmoothFields } from './smooth-fields.js';
import type { SpanVisitor } from './spans.js';
import { drawTissue, type TissueDraw, visitTissue } from './tissue.js';
import { drawVoronoi, type VoronoiDraw, visitVoronoi } from './voronoi.js';

/** Everything random about one fusion's regions. */
export type MaskDraw = SmoothFieldsDraw | VoronoiDraw | BlocksDraw | TissueDraw;

/** Draws the regions of a fusion of `sources` images of these spatial edges. */
export function drawMask(spec: MaskSpec, sources: number, spatial: readonly number[], rng: Rng): MaskDraw {
  switch (spec.strategy) {
    case 'smooth-fields':
      return drawSmoothFields(spec, sources, spatial, rng);
    case 'voronoi':
      return drawVoronoi(spec, sources, spatial, rng);
    case 'blocks':
      return drawBlocks(spec, sources, spatial, rng);
    case 'tissue':
      return drawTissue(spec, sources, rng);
  }
}

/**
 * Visits all voxels with how much of each source is in them.
 *
 * @param anchor first channel of the image whose grid it is, [voxels]; asked for only where the regions follow it
 */
export function visitMask(
  draw: MaskDraw,
  sources: number,
  spatial: readonly number[],
  anchor: () => Float32Array,
  visitor: SpanVisitor,
): void {
  switch (draw.strategy) {
    case 'smooth-fields':
      visitSmoothFields(draw, sources, spatial, visitor);
      break;
    case 'voronoi':
      visitVoronoi(draw, sources, spatial, visitor);
      break;
    case 'blocks':
      visitBlocks(draw, spatial, visitor);
      break;
    case 'tissue':
      visitTissue(draw, anchor(), visitor);
      break;
  }
}

/**
 * How much of each source is in each voxel.
 *
 * @param anchor as for `visitMask`
 * @returns [sources, ...spatial], at every voxel not negative and of sum 1 (to 1e-6)
 */
export function maskWeights(
  draw: MaskDraw,
  sources: number,
  spatial: readonly number[],
  anchor: Float32Array,
): Float32Array {
  const voxels = spatial.reduce((product, edge) => product * edge, 1);
  const all = new Float32Array(sources * voxels);
  visitMask(draw, sources, spatial, () => anchor, {
    whole(from, to, source) {
      all.fill(1, source * voxels + from, source * voxels + to);
    },
    mixed(from, to, active, weights) {
      for (let k = 0; k < active.length; k += 1)
        for (let voxel = from; voxel < to; voxel += 1)
          all[active[k]! * voxels + voxel] = weights[(voxel - from) * active.length + k]!;
    },
  });
  return all;
}
