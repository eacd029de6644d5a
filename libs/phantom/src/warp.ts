import type { Rng } from '@medformer/schema';
import type { Points } from './paint.js';

const NODES = 12;
const LAYER = NODES * NODES;
const COUNT = NODES * LAYER;
const SQUARINGS = 4;

/**
 * A smooth invertible deformation of space: the flow of a random stationary velocity field, integrated by
 * scaling and squaring (Arsigny et al., MICCAI 2006), on a coarse grid of 12^3 nodes.
 */
export class Warp {
  private constructor(
    /** Displacement in node spacings, `[3, z, y, x]`. */
    private readonly displacement: Float32Array,
    private readonly halfExtentMm: number,
  ) {}

  /**
   * @param amplitudeMm largest speed of the velocity field, hence about the largest displacement
   * @param halfExtentMm half the edge of the cube that the grid spans; outside, the border value goes on
   */
  static random(rng: Rng, amplitudeMm: number, halfExtentMm: number): Warp {
    const spacing = (2 * halfExtentMm) / (NODES - 1);
    let field = new Float32Array(3 * COUNT);
    for (let i = 0; i < field.length; i += 1) field[i] = rng.normal();
    for (let pass = 0; pass < 4; pass += 1) field = smooth(field);
    let largest = 0;
    for (const value of field) largest = Math.max(largest, Math.abs(value));
    const scale = amplitudeMm / spacing / largest / 2 ** SQUARINGS;
    for (let i = 0; i < field.length; i += 1) field[i] = field[i]! * scale;
    for (let pass = 0; pass < SQUARINGS; pass += 1) field = square(field);
    return new Warp(field, halfExtentMm);
  }

  /** No deformation at all. */
  static identity(halfExtentMm = 1): Warp {
    return new Warp(new Float32Array(3 * COUNT), halfExtentMm);
  }

  /** Moves the points in place, from where they are seen to where the undeformed anatomy has them. */
  apply(points: Points): void {
    const { x: X, y: Y, z: Z } = points;
    const spacing = (2 * this.halfExtentMm) / (NODES - 1);
    const scale = 1 / spacing;
    const middle = (NODES - 1) / 2;
    const move = new Float64Array(3);
    for (let i = 0; i < X.length; i += 1) {
      sample(this.displacement, X[i]! * scale + middle, Y[i]! * scale + middle, Z[i]! * scale + middle, move);
      X[i] = X[i]! + move[0]! * spacing;
      Y[i] = Y[i]! + move[1]! * spacing;
      Z[i] = Z[i]! + move[2]! * spacing;
    }
  }
}

/** Trilinear value of the three components at a position in node units, clamped to the grid. */
function sample(field: Float32Array, px: number, py: number, pz: number, out: Float64Array): void {
  const last = NODES - 1;
  const x = Math.min(last, Math.max(0, px));
  const y = Math.min(last, Math.max(0, py));
  const z = Math.min(last, Math.max(0, pz));
  const x0 = Math.min(last - 1, Math.floor(x));
  const y0 = Math.min(last - 1, Math.floor(y));
  const z0 = Math.min(last - 1, Math.floor(z));
  const u = x - x0;
  const v = y - y0;
  const w = z - z0;
  let base = (z0 * NODES + y0) * NODES + x0;
  for (let axis = 0; axis < 3; axis += 1, base += COUNT) {
    const a = field[base]! + (field[base + 1]! - field[base]!) * u;
    const b = field[base + NODES]! + (field[base + NODES + 1]! - field[base + NODES]!) * u;
    const up = base + LAYER;
    const c = field[up]! + (field[up + 1]! - field[up]!) * u;
    const d = field[up + NODES]! + (field[up + NODES + 1]! - field[up + NODES]!) * u;
    const low = a + (b - a) * v;
    out[axis] = low + (c + (d - c) * v - low) * w;
  }
}

/** One pass of the binomial kernel [1 2 1] / 4 along each axis, borders repeated. */
function smooth(field: Float32Array): Float32Array<ArrayBuffer> {
  let from = Float32Array.from(field);
  for (const stride of [1, NODES, LAYER]) {
    const to = new Float32Array(from.length);
    for (let i = 0; i < from.length; i += 1) {
      const at = Math.floor(i / stride) % NODES;
      const before = at > 0 ? from[i - stride]! : from[i]!;
      const after = at < NODES - 1 ? from[i + stride]! : from[i]!;
      to[i] = 0.25 * before + 0.5 * from[i]! + 0.25 * after;
    }
    from = to;
  }
  return from;
}

/** The displacement of doing a displacement twice: u(p) + u(p + u(p)). */
function square(field: Float32Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(field.length);
  const further = new Float64Array(3);
  let i = 0;
  for (let z = 0; z < NODES; z += 1) {
    for (let y = 0; y < NODES; y += 1) {
      for (let x = 0; x < NODES; x += 1, i += 1) {
        const ux = field[i]!;
        const uy = field[i + COUNT]!;
        const uz = field[i + 2 * COUNT]!;
        sample(field, x + ux, y + uy, z + uz, further);
        out[i] = ux + further[0]!;
        out[i + COUNT] = uy + further[1]!;
        out[i + 2 * COUNT] = uz + further[2]!;
      }
    }
  }
  return out;
}
