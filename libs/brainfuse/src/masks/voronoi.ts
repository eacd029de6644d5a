import type { MaskSpec, Rng } from '@medformer/schema';
import { type SpanVisitor, visitScores } from './spans.js';

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

export function visitVoronoi(
  draw: VoronoiDraw,
  sources: number,
  spatial: readonly number[],
  visitor: SpanVisitor,
): void {
  const axes = spatial.length;
  const longest = Math.max(...spatial);
  const perSource = draw.centres.length / (sources * axes);
  const width = spatial[axes - 1]!;
  const rows = spatial.slice(0, -1).reduce((product, edge) => product * edge, 1);
  const centres = draw.centres.map((share, at) => share * spatial[at % axes]!);
  const scores = new Float64Array(width * sources);
  for (let row = 0; row < rows; row += 1) {
    for (let source = 0; source < sources; source += 1) {
      for (let centre = source * perSource; centre < (source + 1) * perSource; centre += 1) {
        const apart = distanceToRow(centres, centre * axes, spatial, row);
        const middle = centres[centre * axes + axes - 1]!;
        const first = centre === source * perSource;
        for (let x = 0; x < width; x += 1) {
          const square = apart + (x + 0.5 - middle) ** 2;
          const at = x * sources + source;
          if (first || square < scores[at]!) scores[at] = square;
        }
      }
    }
    for (let at = 0; at < scores.length; at += 1) scores[at] = -Math.sqrt(scores[at]!) / longest;
    visitScores(scores, sources, draw.width, row * width, visitor);
  }
}

/** Squared distance of a centre from a row of voxels, the axis along the row apart. */
function distanceToRow(centres: Float64Array, from: number, spatial: readonly number[], row: number): number {
  let rest = row;
  let square = 0;
  for (let axis = spatial.length - 2; axis >= 0; axis -= 1) {
    square += ((rest % spatial[axis]!) + 0.5 - centres[from + axis]!) ** 2;
    rest = Math.floor(rest / spatial[axis]!);
  }
  return square;
}
