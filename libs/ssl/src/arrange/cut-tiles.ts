import { badInput, type Rng } from '@medformer/schema';

/** Added to a tile's variance: a blank tile (air around a patient) stays near 0 and its noise is not blown up. */
const BLANK_VARIANCE = 1e-3;

/** Where tiles are cut from a view. */
export interface TileCut {
  /** Edges of a tile, one per spatial axis. */
  edge: number[];
  /** First pixel of each tile along each axis, [tile][axis]; tiles in row-major order of their cells. */
  corners: number[][];
}

/**
 * Draws where the tiles of a grid are cut. Each tile is smaller than its cell by the share `gap` of each edge and lies
 * anywhere in it, so that an edge or texture running on from one tile into the next does not give the order away
 * (Noroozi and Favaro 2016, section 4.2: 64 of 85 pixels, a gap of 0.25).
 * @param shape [...spatial, channels]
 * @param grid cells per spatial axis
 * @throws MedformerError INVALID_ARGUMENT when a cell would be smaller than 2 pixels
 */
export function drawTiles(shape: readonly number[], grid: readonly number[], gap: number, rng: Rng): TileCut {
  const cell = grid.map((cells, axis) => Math.floor(shape[axis]! / cells));
  if (Math.min(...cell) < 2) {
    throw badInput({
      file: 'jigsaw',
      field: 'grid',
      expected: `at least 2 pixels a tile in an image of ${shape.slice(0, -1).join(' x ')}`,
      found: grid.join(' x '),
    });
  }
  const edge = tileEdges(shape, grid, gap);
  const tiles = grid.reduce((product, cells) => product * cells, 1);
  const corners = Array.from({ length: tiles }, (_, tile) => {
    const corner: number[] = [];
    let rest = tile;
    for (let axis = grid.length - 1; axis >= 0; axis -= 1) {
      const spare = cell[axis]! - edge[axis]!;
      corner[axis] = (rest % grid[axis]!) * cell[axis]! + rng.integer(spare + 1);
      rest = Math.floor(rest / grid[axis]!);
    }
    return corner;
  });
  return { edge, corners };
}

/** Edges of the tiles that `drawTiles` cuts, the same for every draw. */
export function tileEdges(shape: readonly number[], grid: readonly number[], gap: number): number[] {
  return grid.map((cells, axis) => Math.max(1, Math.round(Math.floor(shape[axis]! / cells) * (1 - gap))));
}

/**
 * Copies tiles in the order given, place by place, into `out` [tiles, ...edge, channels]: place p gets tile `order[p]`.
 * Each is brought to mean 0 and standard deviation 1 by itself, so that brightness, contrast and a bias field do not
 * tell neighbours (Noroozi and Favaro 2016, section 4.2, "shortcut prevention").
 * @param view pixels of [...spatial, channels]
 */
export function cutTiles(
  view: Float32Array,
  shape: readonly number[],
  { edge, corners }: TileCut,
  order: ArrayLike<number>,
  out: Float32Array,
): void {
  const channels = shape[shape.length - 1]!;
  const line = edge[edge.length - 1]! * channels;
  const size = edge.reduce((product, length) => product * length, channels);
  for (let place = 0; place < corners.length; place += 1) {
    const tile = out.subarray(place * size, (place + 1) * size);
    const corner = corners[order[place]!]!;
    for (let row = 0; row < size / line; row += 1) {
      const from = lineStart(row, corner, edge, shape);
      tile.set(view.subarray(from, from + line), row * line);
    }
    standardise(tile);
  }
}

/** Offset in the view of a tile's line along the last axis; `row` counts these lines row-major. */
function lineStart(
  row: number,
  corner: readonly number[],
  edge: readonly number[],
  shape: readonly number[],
): number {
  const last = edge.length - 1;
  let stride = shape[last]! * shape[last + 1]!;
  let from = corner[last]! * shape[last + 1]!;
  let rest = row;
  for (let axis = last - 1; axis >= 0; axis -= 1) {
    from += (corner[axis]! + (rest % edge[axis]!)) * stride;
    rest = Math.floor(rest / edge[axis]!);
    stride *= shape[axis]!;
  }
  return from;
}

function standardise(values: Float32Array): void {
  let mean = 0;
  for (const value of values) mean += value;
  mean /= values.length;
  let variance = 0;
  for (const value of values) variance += (value - mean) ** 2;
  const scale = 1 / Math.sqrt(variance / values.length + BLANK_VARIANCE);
  for (let i = 0; i < values.length; i += 1) values[i] = (values[i]! - mean) * scale;
}
