import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { cutTiles, drawTiles, tileEdges } from './cut-tiles.js';

const SHAPES: [string, number[], number[]][] = [
  ['2D', [28, 30, 1], [3, 3]],
  ['2D in colour', [17, 12, 3], [2, 3]],
  ['3D', [12, 10, 9, 1], [2, 2, 2]],
  ['3D in 27 tiles', [12, 13, 15, 2], [3, 3, 3]],
];

describe('drawing tiles', () => {
  it.each(SHAPES)('keeps every tile within its cell and reaches all of it: %s', (_, shape, grid) => {
    const seen = grid.map((cells) => Array.from({ length: cells }, () => new Set<number>()));
    const edge = tileEdges(shape, grid, 0.25);
    for (let draw = 0; draw < 100; draw += 1) {
      const cut = drawTiles(shape, grid, 0.25, Rng.of('tiles', draw));
      expect(cut.edge).toEqual(edge);
      cut.corners.forEach((corner, tile) => {
        cellOf(tile, grid).forEach((cell, axis) => {
          const length = Math.floor(shape[axis]! / grid[axis]!);
          const within = corner[axis]! - cell * length;
          expect(within).toBeGreaterThanOrEqual(0);
          expect(within + edge[axis]!).toBeLessThanOrEqual(length);
          seen[axis]![cell]!.add(within);
        });
      });
    }
    seen.forEach((cells, axis) => {
      const spare = Math.floor(shape[axis]! / grid[axis]!) - edge[axis]!;
      for (const offsets of cells) expect(offsets.size).toBe(spare + 1);
    });
  });

  it('leaves no gap when asked for none, and the paper’s 64 of 85 pixels at 0.25', () => {
    expect(drawTiles([28, 28, 1], [2, 2], 0, Rng.of(0))).toEqual({
      edge: [14, 14],
      corners: [
        [0, 0],
        [0, 14],
        [14, 0],
        [14, 14],
      ],
    });
    expect(tileEdges([255, 255, 1], [3, 3], 0.25)).toEqual([64, 64]);
  });

  it('is the same for the same seed', () => {
    const draw = (seed: number) => drawTiles([64, 64, 1], [3, 3], 0.25, Rng.of(seed));

    expect(draw(1)).toEqual(draw(1));
    expect(draw(2)).not.toEqual(draw(1));
  });

  it('refuses images too small for the grid, naming both', () => {
    expect(() => drawTiles([5, 40, 1], [3, 3], 0.25, Rng.of(0))).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(/5 x 40.*3 x 3/) }),
    );
  });
});

describe('cutting tiles', () => {
  it.each(SHAPES)(
    'puts tile order[p] at place p, standardised, as a loop over pixels does: %s',
    (_, shape, grid) => {
      const view = noise(shape);
      const cut = drawTiles(shape, grid, 0.25, Rng.of('cut'));
      const order = Rng.of('order').permutation(cut.corners.length);
      const found = cutAll(view, shape, cut, order);

      const expected = [...order].flatMap((tile) => standardised(pixelsOf(view, shape, cut, tile)));
      expect(found.length).toBe(expected.length);
      expect(Math.max(...expected.map((value, at) => Math.abs(value - found[at]!)))).toBeLessThan(1e-5);
    },
  );

  it('gives tiles that no brightness or contrast of their own can tell apart', () => {
    const shape = [16, 16, 1];
    const view = noise(shape);
    const cut = drawTiles(shape, [2, 2], 0.25, Rng.of(0));
    const order = [0, 1, 2, 3];
    const lit = view.map((value, at) => {
      const left = at % 16 < 8;
      return left ? 3 * value + 2 : value - 1;
    });

    const [plain, changed] = [view, lit].map((pixels) => cutAll(pixels, shape, cut, order));
    expect(Math.max(...plain!.map((value, at) => Math.abs(value - changed![at]!)))).toBeLessThan(5e-3);
  });

  it('keeps a blank tile at 0 and does not blow up its noise', () => {
    const shape = [8, 8, 1];
    const cut = drawTiles(shape, [2, 2], 0, Rng.of(0));
    const blank = cutAll(new Float32Array(64).fill(-1), shape, cut, [0, 1, 2, 3]);
    const rng = Rng.of('faint');
    const faint = cutAll(
      Float32Array.from({ length: 64 }, () => -1 + rng.normal(0, 0.003)),
      shape,
      cut,
      [0, 1, 2, 3],
    );

    expect([...blank].every((value) => Math.abs(value) < 1e-5)).toBe(true);
    expect(Math.max(...faint.map(Math.abs))).toBeLessThan(0.5);
  });

  it('leaves the view as it was', () => {
    const view = noise([9, 9, 1]);
    const before = view.slice();
    cutAll(view, [9, 9, 1], drawTiles([9, 9, 1], [3, 3], 0.25, Rng.of(0)), Rng.of(1).permutation(9));

    expect(view).toEqual(before);
  });
});

function cutAll(
  view: Float32Array,
  shape: number[],
  cut: ReturnType<typeof drawTiles>,
  order: ArrayLike<number>,
): Float32Array {
  const size = cut.edge.reduce((product, edge) => product * edge, shape[shape.length - 1]!);
  const out = new Float32Array(cut.corners.length * size);
  cutTiles(view, shape, cut, order, out);
  return out;
}

function pixelsOf(
  view: Float32Array,
  shape: number[],
  { edge, corners }: ReturnType<typeof drawTiles>,
  tile: number,
): number[] {
  const channels = shape[shape.length - 1]!;
  const places: number[][] = [[]];
  const all = edge.reduce(
    (found, length) => found.flatMap((place) => Array.from({ length }, (_, i) => [...place, i])),
    places,
  );
  return all.flatMap((place) => {
    const pixel = place.reduce((sum, i, axis) => sum * shape[axis]! + corners[tile]![axis]! + i, 0);
    return Array.from({ length: channels }, (_, channel) => view[pixel * channels + channel]!);
  });
}

function standardised(values: number[]): number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return values.map((value) => (value - mean) / Math.sqrt(variance + 1e-3));
}

function cellOf(tile: number, grid: number[]): number[] {
  const cell: number[] = [];
  let rest = tile;
  for (let axis = grid.length - 1; axis >= 0; axis -= 1) {
    cell[axis] = rest % grid[axis]!;
    rest = Math.floor(rest / grid[axis]!);
  }
  return cell;
}

function noise(shape: number[]): Float32Array {
  const rng = Rng.of('noise', ...shape);
  return Float32Array.from({ length: shape.reduce((product, edge) => product * edge, 1) }, () =>
    rng.uniform(-1, 1),
  );
}
