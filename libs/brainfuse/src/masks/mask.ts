import type { MaskSpec, Rng } from '@medformer/schema';
import { type BlocksDraw, blocksWeights, drawBlocks } from './blocks.js';
import { drawSmoothFields, type SmoothFieldsDraw, smoothFieldsWeights } from './smooth-fields.js';
import { drawTissue, type TissueDraw, tissueWeights } from './tissue.js';
import { drawVoronoi, type VoronoiDraw, voronoiWeights } from './voronoi.js';

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
 * How much of each source is in each voxel.
 *
 * @param anchor first channel of the image whose grid it is, [voxels]
 * @returns [sources, ...spatial], at every voxel not negative and of sum 1 (to 1e-6)
 */
export function maskWeights(
  draw: MaskDraw,
  sources: number,
  spatial: readonly number[],
  anchor: Float32Array,
): Float32Array {
  switch (draw.strategy) {
    case 'smooth-fields':
      return smoothFieldsWeights(draw, spatial);
    case 'voronoi':
      return voronoiWeights(draw, sources, spatial);
    case 'blocks':
      return blocksWeights(draw, sources, spatial);
    case 'tissue':
      return tissueWeights(draw, sources, anchor);
  }
}
