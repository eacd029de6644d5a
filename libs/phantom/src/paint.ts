import { NOISE_LIMIT, type NoiseField } from './noise-field.js';
import type { Rod, Shape, Solid } from './shape.js';

/** Points in mm, one coordinate array each, all of the same length. */
export interface Points {
  x: Float32Array;
  y: Float32Array;
  z: Float32Array;
}

export function emptyPoints(count: number): Points {
  return { x: new Float32Array(count), y: new Float32Array(count), z: new Float32Array(count) };
}

/**
 * A tissue property at every point: the shapes are laid over one another in order, each with an edge `edgeMm`
 * wide in which it mixes linearly with what lies below (partial volume).
 *
 * @param property one value per tissue; the background is tissue 0 (air)
 * @param out written in full, `[points]`
 */
export function paint(
  shapes: readonly Shape[],
  noise: NoiseField,
  property: ArrayLike<number>,
  points: Points,
  edgeMm: number,
  out: Float32Array,
): void {
  out.fill(property[0]!);
  for (const shape of shapes) {
    const value = property[shape.tissue]!;
    if (shape.kind === 'rod') paintRod(shape, value, points, edgeMm, out);
    else paintSolid(shape, noise, value, points, edgeMm, out);
  }
}

/** Folds cut in deeper than they stand out, as sulci do: noise below minus this is levelled. */
const FOLD_OUT = 0.6;

function paintSolid(
  shape: Solid,
  noise: NoiseField,
  value: number,
  points: Points,
  edgeMm: number,
  out: Float32Array,
): void {
  const { x: X, y: Y, z: Z } = points;
  const [cx, cy, cz] = shape.centre;
  const ia = 1 / shape.radii[0];
  const ib = 1 / shape.radii[1];
  const ic = 1 / shape.radii[2];
  const r = shape.rotation;
  const [ax, ay, az] = [r[0]! * ia, r[1]! * ia, r[2]! * ia];
  const [bx, by, bz] = [r[3]! * ib, r[4]! * ib, r[5]! * ib];
  const [gx, gy, gz] = [r[6]! * ic, r[7]! * ic, r[8]! * ic];
  const square = shape.square * shape.square;
  const { fold, stripes } = shape;
  const foldSize = fold ? 1 / fold.size : 0;
  const foldAmplitude = fold?.amplitude ?? 0;
  const hollow = shape.hollow * shape.hollow;
  const half = 0.5 * edgeMm;
  const invEdge = 1 / edgeMm;
  // Beyond these values of q the coverage is 0 or 1 for certain and the gradient need not be computed.
  const reach = half * Math.max(ia, ib, ic);
  const slack = 1 / (1 - FOLD_OUT * foldAmplitude);
  const outside = (1 + 2 * reach) * (1 + 2 * reach) * slack;
  const plain = hollow === 0 && !stripes && square === 0 && reach < 1;
  const inside = plain ? ((1 - reach) * (1 - reach)) / (1 + NOISE_LIMIT * foldAmplitude) : -1;
  // A squircle's q turns negative again far outside; the solid itself never leaves its box.
  const box = square > 0 ? (1 + 2 * reach) * (1 + 2 * reach) * slack : Infinity;
  for (let i = 0; i < out.length; i += 1) {
    const dx = X[i]! - cx;
    const dy = Y[i]! - cy;
    const dz = Z[i]! - cz;
    const a = ax * dx + ay * dy + az * dz;
    const b = bx * dx + by * dy + bz * dz;
    const c = gx * dx + gy * dy + gz * dz;
    const a2 = a * a;
    const b2 = b * b;
    const c2 = c * c;
    if (a2 > box || b2 > box) continue;
    let q = a2 + b2 + c2 - square * a2 * b2;
    if (q >= outside) continue;
    if (q <= inside) {
      out[i] = value;
      continue;
    }
    if (foldAmplitude > 0) {
      const depth = noise.at(X[i]! * foldSize, Y[i]! * foldSize, Z[i]! * foldSize);
      q *= 1 + foldAmplitude * Math.max(-FOLD_OUT, depth);
    }
    const slope = 2 * Math.sqrt(a2 * ia * ia + b2 * ib * ib + c2 * ic * ic) + 1e-9;
    let cover = ((1 - q) / slope + half) * invEdge;
    if (hollow > 0) cover = Math.min(cover, ((q - hollow) / slope + half) * invEdge);
    if (stripes) {
      const phase = (Z[i]! + stripes.slope * Y[i]!) / stripes.period + stripes.phase;
      const fromCentre = Math.abs(phase - Math.floor(phase) - 0.5);
      cover = Math.min(cover, ((0.5 * stripes.duty - fromCentre) * stripes.period + half) * invEdge);
    }
    if (cover <= 0) continue;
    out[i] = cover >= 1 ? value : out[i]! + cover * (value - out[i]!);
  }
}

function paintRod(shape: Rod, value: number, points: Points, edgeMm: number, out: Float32Array): void {
  const { x: X, y: Y, z: Z } = points;
  const [fx, fy, fz] = shape.from;
  const ux = shape.to[0] - fx;
  const uy = shape.to[1] - fy;
  const uz = shape.to[2] - fz;
  const invLength2 = 1 / (ux * ux + uy * uy + uz * uz);
  const half = 0.5 * edgeMm;
  const reach = Math.max(shape.fromRadius, shape.toRadius) + half;
  const reach2 = reach * reach;
  for (let i = 0; i < out.length; i += 1) {
    const dx = X[i]! - fx;
    const dy = Y[i]! - fy;
    const dz = Z[i]! - fz;
    const t = Math.min(1, Math.max(0, (dx * ux + dy * uy + dz * uz) * invLength2));
    const ex = dx - t * ux;
    const ey = dy - t * uy;
    const ez = dz - t * uz;
    const distance2 = ex * ex + ey * ey + ez * ez;
    if (distance2 >= reach2) continue;
    const radius = shape.fromRadius + t * (shape.toRadius - shape.fromRadius);
    const cover = (radius - Math.sqrt(distance2) + half) / edgeMm;
    if (cover <= 0) continue;
    out[i] = cover >= 1 ? value : out[i]! + cover * (value - out[i]!);
  }
}
