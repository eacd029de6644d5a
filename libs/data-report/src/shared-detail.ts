import { Rng } from '@medformer/schema';
import type { Detail } from './detail.js';

/** Images of a group that what they share is estimated from. */
const ESTIMATED_FROM = 400;

/** A direction for so many of them, and at most so many: with more, the images themselves would be taken for it. */
const IMAGES_PER_DIRECTION = 25;
const MOST_DIRECTIONS = 12;

/** Rounds of subspace iteration; the directions need not be exact. */
const ROUNDS = 12;

/**
 * What the fine structure of a group's images has in common: its mean and its leading principal directions. Skulls of one
 * size look alike in small images; without what skulls share, only copies do.
 */
export class SharedDetail {
  private constructor(
    private readonly mean: Float32Array,
    private readonly directions: readonly Float32Array[],
  ) {}

  /** Undefined for a group too small to tell what it shares from what its images are. */
  static of(group: readonly Detail[]): SharedDetail | undefined {
    const stride = Math.max(1, Math.floor(group.length / ESTIMATED_FROM));
    const used = group.filter((_, at) => at % stride === 0);
    const count = Math.min(MOST_DIRECTIONS, Math.floor(used.length / IMAGES_PER_DIRECTION));
    if (count === 0) return undefined;
    const mean = new Float32Array(used[0]!.values.length);
    for (const { values } of used) addScaled(mean, values, 1 / used.length);
    const residuals = used.map(({ values }) => {
      const residual = Float32Array.from(values);
      addScaled(residual, mean, -1);
      return residual;
    });
    const rng = Rng.of(0, 'shared detail');
    let directions = orthonormal(
      Array.from({ length: count }, () => Float32Array.from(mean, () => rng.uniform(-1, 1))),
    );
    for (let round = 0; round < ROUNDS; round += 1) {
      directions = orthonormal(
        directions.map((direction) => {
          const next = new Float32Array(direction.length);
          for (const residual of residuals) addScaled(next, residual, dot(residual, direction));
          return next;
        }),
      );
    }
    return new SharedDetail(mean, directions);
  }

  /** The rest of an image's detail. */
  without({ values }: Pick<Detail, 'values'>): Float32Array {
    const rest = Float32Array.from(values);
    addScaled(rest, this.mean, -1);
    for (const direction of this.directions) addScaled(rest, direction, -dot(rest, direction));
    return rest;
  }
}

function orthonormal(vectors: Float32Array[]): Float32Array[] {
  const made: Float32Array[] = [];
  for (const vector of vectors) {
    for (const other of made) addScaled(vector, other, -dot(vector, other));
    const length = Math.sqrt(dot(vector, vector));
    // Images that vary in fewer ways than asked for have no further direction.
    if (length > 1e-6) made.push(vector.map((value) => value / length));
  }
  return made;
}

function dot(x: Float32Array, y: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < x.length; at += 1) sum += x[at]! * y[at]!;
  return sum;
}

function addScaled(to: Float32Array, values: Float32Array | Int8Array, factor: number): void {
  for (let at = 0; at < to.length; at += 1) to[at]! += factor * values[at]!;
}
