import type { MaskSpec, Rng } from '@medformer/schema';
import { rampWeights } from '../ramp-weights.js';

type SmoothFieldsSpec = Extract<MaskSpec, { strategy: 'smooth-fields' }>;

export interface SmoothFieldsDraw {
  strategy: 'smooth-fields';
  /** Nodes of the lattice per spatial axis. */
  nodes: number[];
  /** [sources, ...nodes], standard normal. */
  fields: Float32Array;
  /** Difference of two fields over which one source gives way to the other. */
  width: number;
}

/** One low-frequency random field per source, for an image of these spatial edges. */
export function drawSmoothFields(
  { cells, sharpness }: SmoothFieldsSpec,
  sources: number,
  spatial: readonly number[],
  rng: Rng,
): SmoothFieldsDraw {
  const longest = Math.max(...spatial);
  const nodes = spatial.map((edge) => Math.max(1, Math.round((cells * edge) / longest)) + 1);
  const length = nodes.reduce((product, count) => product * count, sources);
  return {
    strategy: 'smooth-fields',
    nodes,
    fields: Float32Array.from({ length }, () => rng.normal()),
    width: 2 / sharpness,
  };
}

/** Weights [sources, ...spatial] of the fields, interpolated linearly between nodes; at every voxel they sum to 1. */
export function smoothFieldsWeights(draw: SmoothFieldsDraw, spatial: readonly number[]): Float32Array {
  const [depth, height, width] = [spatial.length === 3 ? spatial[0]! : 1, ...spatial.slice(-2)] as [
    number,
    number,
    number,
  ];
  const [planes, rows, columns] = [draw.nodes.length === 3 ? draw.nodes[0]! : 1, ...draw.nodes.slice(-2)] as [
    number,
    number,
    number,
  ];
  const sources = draw.fields.length / (planes * rows * columns);
  const voxels = depth * height * width;
  const weights = new Float32Array(sources * voxels);
  const scores = new Float64Array(sources);
  const at = new Float64Array(sources);
  /** The fields on the lattice's columns at one row of the image. */
  const line = new Float64Array(sources * columns);
  const across = placesOf(width, columns);
  for (let z = 0; z < depth; z += 1) {
    const front = placeOf(z, depth, planes);
    for (let y = 0; y < height; y += 1) {
      const top = placeOf(y, height, rows);
      interpolateLine(draw.fields, [sources, planes, rows, columns], front, top, line);
      for (let x = 0; x < width; x += 1) {
        const left = across.node[x]!;
        const share = across.share[x]!;
        for (let source = 0; source < sources; source += 1) {
          const from = source * columns + left;
          scores[source] =
            line[from]! + share * (line[Math.min(from + 1, (source + 1) * columns - 1)]! - line[from]!);
        }
        rampWeights(scores, draw.width, at);
        const voxel = (z * height + y) * width + x;
        for (let source = 0; source < sources; source += 1) weights[source * voxels + voxel] = at[source]!;
      }
    }
  }
  return weights;
}

interface Place {
  node: number;
  share: number;
}

/** Where the centre of pixel `at` of `edge` lies between the first and the last of `nodes`. */
function placeOf(at: number, edge: number, nodes: number): Place {
  if (nodes === 1) return { node: 0, share: 0 };
  const place = ((at + 0.5) / edge) * (nodes - 1);
  const node = Math.min(nodes - 2, Math.floor(place));
  return { node, share: place - node };
}

function placesOf(edge: number, nodes: number): { node: Int32Array; share: Float64Array } {
  const places = Array.from({ length: edge }, (_, at) => placeOf(at, edge, nodes));
  return {
    node: Int32Array.from(places, ({ node }) => node),
    share: Float64Array.from(places, ({ share }) => share),
  };
}

function interpolateLine(
  fields: Float32Array,
  [sources, planes, rows, columns]: [number, number, number, number],
  front: Place,
  top: Place,
  line: Float64Array,
): void {
  for (let source = 0; source < sources; source += 1) {
    const value = (plane: number, row: number, column: number) =>
      fields[
        ((source * planes + Math.min(plane, planes - 1)) * rows + Math.min(row, rows - 1)) * columns + column
      ]!;
    for (let column = 0; column < columns; column += 1) {
      const along = (plane: number) =>
        value(plane, top.node, column) * (1 - top.share) + value(plane, top.node + 1, column) * top.share;
      line[source * columns + column] =
        along(front.node) * (1 - front.share) + along(front.node + 1) * front.share;
    }
  }
}
