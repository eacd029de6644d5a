import { Medformer } from '@medformer/medformer';
import { MethodSpec, type ModelConfig, Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { jigsaw } from './jigsaw.js';
import type { HostViews } from './method.js';

type JigsawSpec = Extract<MethodSpec, { name: 'jigsaw' }>;

const CONFIG: ModelConfig = {
  width: 12,
  depth: 1,
  heads: 2,
  latents: 3,
  mlpRatio: 2,
  patch2d: 4,
  patch3d: 4,
  frequencies: 2,
};
const CASES: [string, number[], Partial<JigsawSpec>][] = [
  ['3 x 3', [18, 20, 1], { permutations: 20 }],
  ['2 x 2 in colour', [13, 12, 3], { grid2d: [2, 2], permutations: 24 }],
  ['2 x 2 x 2', [12, 10, 14, 1], { permutations: 12 }],
  ['3 x 3 x 3', [12, 12, 12, 1], { grid3d: [3, 3, 3], permutations: 10 }],
];

let model: Medformer;

beforeAll(async () => {
  await useBackend();
});
beforeEach(() => {
  model?.dispose();
  model = new Medformer(CONFIG, { modalities: [], bodyParts: [], tasks: [] });
});
afterAll(() => {
  model.dispose();
});

describe.each(CASES)('%s', (_, shape, settings) => {
  const spec = MethodSpec.parse({ name: 'jigsaw', hidden: 8, ...settings }) as JigsawSpec;
  const grid = shape.length === 3 ? spec.grid2d : spec.grid3d;
  const tiles = grid.reduce((product, cells) => product * cells, 1);

  it('lays the tiles of every image in an order of the set, and says which', () => {
    // Without a gap the tiles are the cells themselves; a dot of its own brightness and place marks each.
    const views = marked(shape, grid, 4);
    const { x, shape: tileShape, copies, drawn } = arranged({ ...spec, gap: 0 }, views);

    expect(copies).toBe(tiles);
    const size = tileShape.reduce((product, edge) => product * edge, 1);
    const orders = Array.from({ length: 4 }, (_, image) =>
      Array.from({ length: tiles }, (_, place) => {
        const tile = [...x.subarray((image * tiles + place) * size, (image * tiles + place + 1) * size)];
        return Math.floor(tile.indexOf(Math.max(...tile)) / tileShape.at(-1)!);
      }),
    );
    for (const order of orders) expect([...order].sort((a, b) => a - b)).toEqual([...Array(tiles).keys()]);
    const labels = oneHots(drawn.permutation!);
    const orderOf = new Map<number, string>();
    labels.forEach((label, image) => {
      expect(orderOf.get(label) ?? String(orders[image])).toBe(String(orders[image]));
      orderOf.set(label, String(orders[image]));
    });
    expect(new Set(orderOf.values()).size).toBe(orderOf.size);
  });

  it('starts at ln P, with the share of class 0 as its accuracy', () => {
    const views = noise(shape, 6);
    const arrangement = arranged(spec, views);
    const { loss, h, accuracy } = lossOf(spec, arrangement);

    expect(loss.dataSync()[0]).toBeCloseTo(Math.log(spec.permutations), 5);
    expect(loss.dataSync()[0]).toBeCloseTo(jigsaw.expected(spec, 6, []).start!, 5);
    expect(h.shape).toEqual([6 * tiles, CONFIG.width]);
    const first = oneHots(arrangement.drawn.permutation!).filter((label) => label === 0).length;
    expect(accuracy!.dataSync()[0]).toBeCloseTo(first / 6, 6);
  });

  it('embeds a tile alike wherever it lies: one trunk for all places', () => {
    const { x, shape: tileShape, ...rest } = arranged(spec, noise(shape, 2));
    const size = tileShape.reduce((product, edge) => product * edge, 1);
    const turned = x.slice();
    turned.set(x.subarray(0, size), size);
    turned.set(x.subarray(size, 2 * size), 0);
    const h = lossOf(spec, { x, shape: tileShape, ...rest }).h.arraySync() as number[][];
    const other = lossOf(spec, { x: turned, shape: tileShape, ...rest }).h.arraySync() as number[][];

    expect(distance(other[0]!, h[1]!)).toBeLessThan(1e-5);
    expect(distance(other[1]!, h[0]!)).toBeLessThan(1e-5);
    expect(distance(h[0]!, h[1]!)).toBeGreaterThan(1e-4);
  });
});

it('draws the same for the same seed, and other tiles for another', () => {
  const spec = MethodSpec.parse({ name: 'jigsaw' }) as JigsawSpec;
  const views = noise([28, 28, 1], 2);

  expect(arranged(spec, views, 1)).toEqual(arranged(spec, views, 1));
  expect(arranged(spec, views, 2).x).not.toEqual(arranged(spec, views, 1).x);
});

it('refuses more classes than the tiles have orders', () => {
  const spec = MethodSpec.parse({ name: 'jigsaw', grid2d: [2, 2], permutations: 25 }) as JigsawSpec;

  expect(() => arranged(spec, noise([8, 8, 1], 1))).toThrow('2 to 24 of 4 tiles, found 25');
});

function arranged(spec: JigsawSpec, views: HostViews, seed = 0) {
  return jigsaw.arrange!(spec, views, { config: CONFIG, rngOf: (row) => Rng.of('arrange', seed, row) });
}

function lossOf(spec: JigsawSpec, { x, shape, drawn }: ReturnType<typeof arranged>) {
  const pixels = tf.tensor(x, [x.length / shape.reduce((product, edge) => product * edge, 1), ...shape]);
  const given = Object.entries(drawn).map(([name, { data, shape: of }]) => [name, tf.tensor(data, of)]);
  return jigsaw.loss(
    spec,
    model,
    { ...model.prepare(pixels, {}), x: pixels },
    { labels: tf.zeros([2, 1]), drawn: Object.fromEntries(given), ramp: tf.scalar(1) },
  );
}

function oneHots({ data, shape }: { data: Float32Array | Int32Array; shape: number[] }): number[] {
  const [rows, classes] = shape as [number, number];
  return Array.from({ length: rows }, (_, row) => {
    const line = [...data.subarray(row * classes, (row + 1) * classes)];
    expect(line.filter((value) => value !== 0)).toEqual([1]);
    return line.indexOf(1);
  });
}

/** Views that are 0 but for one pixel in each cell: the cell's number in the cell's own row-major count of pixels. */
function marked(shape: number[], grid: readonly number[], images: number): HostViews {
  const channels = shape.at(-1)!;
  const size = shape.reduce((product, edge) => product * edge, 1);
  const cell = grid.map((cells, axis) => Math.floor(shape[axis]! / cells));
  const one = new Float32Array(size);
  const tiles = grid.reduce((product, cells) => product * cells, 1);
  for (let tile = 0; tile < tiles; tile += 1) {
    let [restTile, restPixel] = [tile, tile];
    const place: number[] = [];
    for (let axis = grid.length - 1; axis >= 0; axis -= 1) {
      place[axis] = (restTile % grid[axis]!) * cell[axis]! + (restPixel % cell[axis]!);
      restTile = Math.floor(restTile / grid[axis]!);
      restPixel = Math.floor(restPixel / cell[axis]!);
    }
    one[place.reduce((sum, at, axis) => sum * shape[axis]! + at, 0) * channels] = 1;
  }
  const x = new Float32Array(images * size);
  for (let image = 0; image < images; image += 1) x.set(one, image * size);
  return { x, shape, views: 1, images };
}

function noise(shape: number[], images: number): HostViews {
  const rng = Rng.of('jigsaw-noise', ...shape);
  const length = images * shape.reduce((product, edge) => product * edge, 1);
  return { x: Float32Array.from({ length }, () => rng.uniform(-1, 1)), shape, views: 1, images };
}

const distance = (a: number[], b: number[]) => Math.max(...a.map((value, at) => Math.abs(value - b[at]!)));
