import type { Rng } from '@medformer/schema';

const SIZE = 16;
const MASK = SIZE - 1;

/** No value of a noise field is larger than this. */
export const NOISE_LIMIT = 2;

/**
 * Smooth scalar noise over space: clipped Gaussian values on a periodic 16^3 lattice, interpolated with a cubic ease,
 * so the field and its gradient are continuous (value noise; Perlin 1985 for the ease).
 */
export class NoiseField {
  private readonly lattice = new Float32Array(SIZE ** 3);

  constructor(rng: Rng) {
    for (let i = 0; i < this.lattice.length; i += 1) {
      this.lattice[i] = Math.min(NOISE_LIMIT, Math.max(-NOISE_LIMIT, rng.normal()));
    }
  }

  /** Value at a point given in lattice cells; mean 0, variance below 1. */
  at(x: number, y: number, z: number): number {
    const x0 = Math.floor(x);
    const y0 = Math.floor(y);
    const z0 = Math.floor(z);
    const u = ease(x - x0);
    const v = ease(y - y0);
    const w = ease(z - z0);
    const xa = x0 & MASK;
    const xb = (x0 + 1) & MASK;
    const ya = (y0 & MASK) * SIZE;
    const yb = ((y0 + 1) & MASK) * SIZE;
    const za = (z0 & MASK) * SIZE * SIZE;
    const zb = ((z0 + 1) & MASK) * SIZE * SIZE;
    const g = this.lattice;
    const low = mix(
      mix(g[za + ya + xa]!, g[za + ya + xb]!, u),
      mix(g[za + yb + xa]!, g[za + yb + xb]!, u),
      v,
    );
    const high = mix(
      mix(g[zb + ya + xa]!, g[zb + ya + xb]!, u),
      mix(g[zb + yb + xa]!, g[zb + yb + xb]!, u),
      v,
    );
    return mix(low, high, w);
  }
}

function ease(t: number): number {
  return t * t * (3 - 2 * t);
}

function mix(a: number, b: number, t: number): number {
  return a + (b - a) * t;
}
