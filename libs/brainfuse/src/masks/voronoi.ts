import type { MaskSpec, Rng } from '@medformer/schema';
import { rampWeights } from '../ramp-weights.js';

export interface VoronoiDraw {
  strategy: 'voronoi';
  /** [sources, centres, axes], as shares of the edges. */
  centres: Float64Array;
  /** Difference of two distances, in longest edges, over which one source gives way to the other. */
  width: number;
}

/** Random centres for each source; a voxel is of the source whose centre is nearest. */
export function drawVoronoi(
  { centres, softness }: Extract<MaskSpec, { strategy: 'voronoi' }>,
  sources: number,
  spatial: readonly number[],
  rng: Rng,
): VoronoiDraw {
  const length = sources * centres * spatial.length;
  return {
    strategy: 'voronoi',
    centres: Float64Array.from({ length }, () => rng.uniform()),
    width: softness,
  };
}

/** Weights [sources, ...spatial]; at every voxel they sum to 1. */
export function voronoiWeights(draw: VoronoiDraw, sources: number, spatial: readonly number[]): Float32Array {
  const axes = spatial.length;
  const longest = Math.max(...spatial);
  const perSource = draw.centres.length / (sources * axes);
  const voxels = spatial.reduce((product, edge) => product * edge, 1);
  const centres = draw.centres.map((share, at) => share * spatial[at % axes]!);
  const weights = new Float32Array(sources * voxels);
  const scores = new Float64Array(sources);
  const at = new Float64Array(sources);
  const place = new Float64Array(axes);
  for (let voxel = 0; voxel < voxels; voxel += 1) {
    let rest = voxel;
    for (let axis = axes - 1; axis >= 0; axis -= 1) {
      place[axis] = (rest % spatial[axis]!) + 0.5;
      rest = Math.floor(rest / spatial[axis]!);
    }
    for (let source = 0; source < sources; source += 1) {
      let nearest = Number.POSITIVE_INFINITY;
      for (let centre = source * perSource; centre < (source + 1) * perSource; centre += 1) {
        let square = 0;
        for (let axis = 0; axis < axes; axis += 1)
          square += (place[axis]! - centres[centre * axes + axis]!) ** 2;
        if (square < nearest) nearest = square;
      }
      scores[source] = -Math.sqrt(nearest) / longest;
    }
    rampWeights(scores, draw.width, at);
    for (let source = 0; source < sources; source += 1) weights[source * voxels + voxel] = at[source]!;
  }
  return weights;
}
