import { badInput, type Rng } from '@medformer/schema';

/** Equally good next permutations that are drawn and compared by their smallest distance. */
const TIES = 32;

/**
 * The classes of a jigsaw: `count` distinct permutations of `tiles` tiles, far from each other (Noroozi and Favaro
 * 2016, section 4.2). As in the paper's greedy choice, each one added has the largest mean Hamming distance to those
 * chosen before.
 *
 * The mean distance depends only on how often each tile stands in each place so far, so the best addition is the
 * solution of a linear assignment over those counts: exact for any number of tiles, without a list of the 362,880
 * permutations of 9 (27 tiles have 1e28). Many are equally good; of those drawn, the one is taken whose nearest chosen
 * permutation is farthest, since the mean alone lets two classes differ in a single swap.
 * @returns permutations as [place] -> tile, the same for the same state of `rng`
 * @throws MedformerError INVALID_ARGUMENT when there are not that many permutations
 */
export function permutationSet(tiles: number, count: number, rng: Rng): Int32Array[] {
  requirePossible(tiles, count);
  const placed = new Float64Array(tiles * tiles); // [place, tile]: how often it stood there
  const chosen: Int32Array[] = [];
  while (chosen.length < count) {
    const next = farthest(tiles, placed, chosen, rng);
    chosen.push(next);
    next.forEach((tile, place) => {
      placed[place * tiles + tile]! += 1;
    });
  }
  return chosen;
}

/** Mean over pairs of the share of places in which two permutations differ, and the smallest such share. */
export function hammingDistances(permutations: readonly Int32Array[]): { mean: number; least: number } {
  let [sum, least, pairs] = [0, Number.POSITIVE_INFINITY, 0];
  permutations.forEach((one, index) => {
    for (const other of permutations.slice(0, index)) {
      const distance = differing(one, other) / one.length;
      sum += distance;
      least = Math.min(least, distance);
      pairs += 1;
    }
  });
  return { mean: sum / pairs, least };
}

/**
 * A new permutation of the largest mean distance. Noise below one count breaks ties at random; it grows only when every
 * tie drawn is chosen already (sets that hold most of the permutations of few tiles).
 */
function farthest(tiles: number, placed: Float64Array, chosen: readonly Int32Array[], rng: Rng): Int32Array {
  for (let noise = 0.5 / tiles; ; noise *= 2) {
    let best: { permutation: Int32Array; distance: number } | undefined;
    for (let draw = 0; draw < TIES; draw += 1) {
      const permutation = assignment(
        tiles,
        placed.map((times) => times + rng.uniform(0, noise)),
      );
      let distance = tiles;
      for (const other of chosen) distance = Math.min(distance, differing(permutation, other));
      if (distance > (best?.distance ?? 0)) best = { permutation, distance };
    }
    if (best) return best.permutation;
  }
}

function differing(one: Int32Array, other: Int32Array): number {
  let places = 0;
  for (let place = 0; place < one.length; place += 1) if (one[place] !== other[place]) places += 1;
  return places;
}

function requirePossible(tiles: number, count: number): void {
  let permutations = 1;
  for (let factor = 2; factor <= tiles && permutations < count; factor += 1) permutations *= factor;
  if (!Number.isInteger(tiles) || tiles < 2 || !Number.isInteger(count) || count < 2 || count > permutations)
    throw badInput({
      file: 'jigsaw',
      field: 'permutations',
      expected: `2 to ${permutations} of ${tiles} tiles`,
      found: String(count),
    });
}

/**
 * The permutation of least total cost, [row] -> column, by successive shortest paths with potentials (the Hungarian
 * method after Jonker and Volgenant 1987). `cost` is [size, size]. Row and column 0 of the working arrays are a sentinel.
 */
function assignment(size: number, cost: Float64Array): Int32Array {
  const rowPotential = new Float64Array(size + 1);
  const columnPotential = new Float64Array(size + 1);
  const rowOf = new Int32Array(size + 1);
  for (let row = 1; row <= size; row += 1) {
    const from = new Int32Array(size + 1);
    const slack = new Float64Array(size + 1).fill(Number.POSITIVE_INFINITY);
    const reached = new Uint8Array(size + 1);
    let column = 0;
    rowOf[0] = row;
    do {
      reached[column] = 1;
      const at = rowOf[column]!;
      let [step, nearest] = [Number.POSITIVE_INFINITY, 0];
      for (let to = 1; to <= size; to += 1) {
        if (reached[to]) continue;
        const reduced = cost[(at - 1) * size + to - 1]! - rowPotential[at]! - columnPotential[to]!;
        if (reduced < slack[to]!) {
          slack[to] = reduced;
          from[to] = column;
        }
        if (slack[to]! < step) [step, nearest] = [slack[to]!, to];
      }
      for (let to = 0; to <= size; to += 1) {
        if (reached[to]) {
          rowPotential[rowOf[to]!]! += step;
          columnPotential[to]! -= step;
        } else slack[to]! -= step;
      }
      column = nearest;
    } while (rowOf[column] !== 0);
    for (; column !== 0; column = from[column]!) rowOf[column] = rowOf[from[column]!]!;
  }
  const columnOf = new Int32Array(size);
  for (let column = 1; column <= size; column += 1) columnOf[rowOf[column]! - 1] = column - 1;
  return columnOf;
}
