import type { Grid } from './sample-grid.js';

export interface Level extends Grid {
  fixed: Float32Array;
  moving: Float32Array;
  /** Of the fixed image's grey values. */
  variance: number;
}

/** The coarsest level has this many voxels along its longest edge, about. */
const COARSEST = 8;

/** Both images at half, a quarter, ... of their size, coarsest first; the given ones are last. */
export function pyramid(fixed: Float32Array, moving: Float32Array, grid: Grid): Level[] {
  const levels: Level[] = [levelOf(fixed, moving, grid)];
  while (Math.max(...levels[0]!.spatial) >= 2 * COARSEST) {
    const { fixed: a, moving: b, spatial, spacing } = levels[0]!;
    const halved = spatial.map((edge) => (edge >= 4 ? Math.floor(edge / 2) : edge));
    levels.unshift(
      levelOf(shrink(a, spatial, halved), shrink(b, spatial, halved), {
        spatial: halved,
        spacing: spacing.map((distance, axis) => (distance * spatial[axis]!) / halved[axis]!),
      }),
    );
  }
  return levels;
}

function levelOf(fixed: Float32Array, moving: Float32Array, { spatial, spacing }: Grid): Level {
  const smoothed = smooth(fixed, spatial);
  const mean = smoothed.reduce((sum, value) => sum + value, 0) / smoothed.length;
  const variance = smoothed.reduce((sum, value) => sum + (value - mean) ** 2, 0) / smoothed.length;
  return { fixed: smoothed, moving: smooth(moving, spatial), variance, spatial, spacing };
}

/** Each axis by [1 2 1] / 4, borders repeated. */
function smooth(values: Float32Array, spatial: readonly number[]): Float32Array {
  return spatial.reduce<Float32Array>(
    (current, edge, axis) =>
      alongAxis(current, spatial, axis, edge, (at) => {
        const [before, after] = [Math.max(0, at - 1), Math.min(edge - 1, at + 1)];
        return [
          [before, 0.25],
          [at, 0.5],
          [after, 0.25],
        ];
      }),
    values,
  );
}

/** Linear interpolation of the middle of each larger voxel. */
function shrink(values: Float32Array, from: readonly number[], to: readonly number[]): Float32Array {
  let shape = [...from];
  let current = values;
  for (let axis = 0; axis < to.length; axis += 1) {
    const [old, edge] = [shape[axis]!, to[axis]!];
    current = alongAxis(current, shape, axis, edge, (at) => {
      const place = ((at + 0.5) * old) / edge - 0.5;
      const low = Math.min(old - 1, Math.max(0, Math.floor(place)));
      const high = Math.min(old - 1, low + 1);
      const share = Math.min(1, Math.max(0, place - low));
      return [
        [low, 1 - share],
        [high, share],
      ];
    });
    shape = shape.with(axis, edge);
  }
  return current;
}

/** Each sample along an axis as a weighted sum of old ones. */
function alongAxis(
  values: Float32Array,
  shape: readonly number[],
  axis: number,
  edge: number,
  parts: (at: number) => [from: number, weight: number][],
): Float32Array {
  const inner = shape.slice(axis + 1).reduce((product, each) => product * each, 1);
  const outer = shape.slice(0, axis).reduce((product, each) => product * each, 1);
  const out = new Float32Array(outer * edge * inner);
  for (let at = 0; at < edge; at += 1) {
    for (const [from, weight] of parts(at)) {
      for (let block = 0; block < outer; block += 1) {
        const source = (block * shape[axis]! + from) * inner;
        const target = (block * edge + at) * inner;
        for (let i = 0; i < inner; i += 1) out[target + i]! += weight * values[source + i]!;
      }
    }
  }
  return out;
}
