import { VIEW_POLICIES } from '@medformer/augment';
import { type MethodSpec, Rng } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { cutTiles, drawTiles, tileEdges } from '../arrange/cut-tiles.js';
import { permutationSet } from '../arrange/permutation-set.js';
import { BatchShare } from '../batch-share.js';
import { permutationHead } from '../heads/permutation-head.js';
import { accuracyOf, crossEntropy } from '../losses/cross-entropy.js';
import { expectedOfClasses } from './expected-of-classes.js';
import type { Arrangement, HostViews, Method } from './method.js';

type JigsawSpec = Extract<MethodSpec, { name: 'jigsaw' }>;

/** Jigsaw puzzles (Noroozi and Favaro 2016): tiles of an image, embedded one by one, tell the order they were laid in. */
export const jigsaw: Method<JigsawSpec> = {
  name: 'jigsaw',
  policies: VIEW_POLICIES.jigsaw,
  arrange: (spec, views, { rngOf }) => layTiles(spec, views, rngOf),
  loss(spec, model, input, { drawn, share = BatchShare.WHOLE }) {
    const axes = input.x.shape.length - 2;
    const tiles = gridOf(spec, axes).reduce((product, cells) => product * cells, 1);
    const h = model.encode(input); // [B * tiles, D]: the tiles of an image in the order of their places
    const side = tf.reshape(h, [-1, tiles * h.shape[1]!]);
    const at = `method/jigsaw/permutation-${axes}d`;
    const logits = permutationHead(model.parameters, at, side, spec.hidden, spec.permutations);
    const views = share.rows(logits.shape[0]!);
    return {
      loss: crossEntropy(logits, drawn.permutation!, 0, share, views),
      h,
      accuracy: accuracyOf(logits, drawn.permutation!, share, views),
    };
  },
  expected: ({ permutations }) => expectedOfClasses(permutations, { exact: true }),
};

/** The tiles of every view in a drawn order, and that order's class, one-hot [views * images, permutations]. */
function layTiles(
  spec: JigsawSpec,
  { x, shape, views, images }: HostViews,
  rngOf: (row: number) => Rng,
): Arrangement {
  const grid = gridOf(spec, shape.length - 1);
  const tiles = grid.reduce((product, cells) => product * cells, 1);
  const orders = ordersOf(tiles, spec.permutations);
  const rows = views * images;
  const size = x.length / rows;
  const tileShape = [...tileEdges(shape, grid, spec.gap), shape[shape.length - 1]!];
  const tileSize = tileShape.reduce((product, edge) => product * edge, tiles);
  const laid = new Float32Array(rows * tileSize);
  const permutation = new Float32Array(rows * spec.permutations);
  for (let row = 0; row < rows; row += 1) {
    const rng = rngOf(row);
    const cut = drawTiles(shape, grid, spec.gap, rng);
    const label = rng.integer(orders.length);
    const view = x.subarray(row * size, (row + 1) * size);
    cutTiles(view, shape, cut, orders[label]!, laid.subarray(row * tileSize, (row + 1) * tileSize));
    permutation[row * spec.permutations + label] = 1;
  }
  return {
    x: laid,
    shape: tileShape,
    copies: tiles,
    drawn: { permutation: { data: permutation, shape: [rows, spec.permutations] } },
  };
}

function gridOf({ grid2d, grid3d }: JigsawSpec, axes: number): readonly number[] {
  return axes === 3 ? grid3d : grid2d;
}

const known = new Map<string, Int32Array[]>();

/** The same classes in every run with as many tiles and classes, so that a run that goes on keeps their meaning. */
function ordersOf(tiles: number, count: number): Int32Array[] {
  const key = `${tiles} ${count}`;
  const orders = known.get(key) ?? permutationSet(tiles, count, Rng.of('jigsaw', tiles, count));
  known.set(key, orders);
  return orders;
}
