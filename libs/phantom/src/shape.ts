import type { TissueId } from './tissue.js';

export type Vector = readonly [x: number, y: number, z: number];

/**
 * One solid of an anatomy, in millimetres, x to the patient's right, y to the front, z to the head (RAS).
 *
 * The solid is where `q(p) < 1`, with `q = a^2 + b^2 + c^2` of the point in the solid's own scaled axes. Later
 * solids cover earlier ones, with a soft edge that stands for the partial volume of a voxel.
 */
export interface Solid {
  kind: 'solid';
  tissue: TissueId;
  centre: Vector;
  /** Semi-axes; `Infinity` makes a cylinder along that axis. */
  radii: Vector;
  /** Row-major 3x3 rotation from the body's to the solid's axes. */
  rotation: readonly number[];
  /** 0 = ellipse, towards 1 = rounded square in the first two axes (Fernandez-Guasti's squircle). */
  square: number;
  /** Shell: only what lies outside the solid shrunk by this fraction (0 = full). */
  hollow: number;
  /** Surface folded by smooth noise: relative amplitude of q, and the size of a fold in mm. */
  fold: { amplitude: number; size: number } | undefined;
  /** Only every other stripe along `z + slope * y`: ribs, vertebrae. */
  stripes: { period: number; duty: number; slope: number; phase: number } | undefined;
}

/** A round rod from one point to another (long bones, vessels), its radius changing linearly. */
export interface Rod {
  kind: 'rod';
  tissue: TissueId;
  from: Vector;
  to: Vector;
  fromRadius: number;
  toRadius: number;
}

export type Shape = Solid | Rod;

const UPRIGHT: readonly number[] = [1, 0, 0, 0, 1, 0, 0, 0, 1];

export function solid(
  tissue: TissueId,
  centre: Vector,
  radii: Vector,
  options: Partial<Pick<Solid, 'rotation' | 'square' | 'hollow' | 'fold' | 'stripes'>> = {},
): Solid {
  return {
    kind: 'solid',
    tissue,
    centre,
    radii,
    rotation: options.rotation ?? UPRIGHT,
    square: options.square ?? 0,
    hollow: options.hollow ?? 0,
    fold: options.fold,
    stripes: options.stripes,
  };
}

export function rod(
  tissue: TissueId,
  from: Vector,
  to: Vector,
  fromRadius: number,
  toRadius = fromRadius,
): Rod {
  return { kind: 'rod', tissue, from, to, fromRadius, toRadius };
}

/** Row-major rotation by Euler angles in degrees about x, then y, then z. */
export function rotation(xDegrees: number, yDegrees: number, zDegrees: number): number[] {
  const radians = Math.PI / 180;
  const [cx, sx] = [Math.cos(xDegrees * radians), Math.sin(xDegrees * radians)];
  const [cy, sy] = [Math.cos(yDegrees * radians), Math.sin(yDegrees * radians)];
  const [cz, sz] = [Math.cos(zDegrees * radians), Math.sin(zDegrees * radians)];
  return [
    cy * cz,
    sx * sy * cz - cx * sz,
    cx * sy * cz + sx * sz,
    cy * sz,
    sx * sy * sz + cx * cz,
    cx * sy * sz - sx * cz,
    -sy,
    sx * cy,
    cx * cy,
  ];
}

export interface Box {
  low: Vector;
  high: Vector;
}

/** An axis-parallel box that holds the shape and its soft edge. */
export function boundingBox(shape: Shape, edgeMm: number): Box {
  const axes = [0, 1, 2] as const;
  if (shape.kind === 'rod') {
    const reach = Math.max(shape.fromRadius, shape.toRadius) + edgeMm;
    return {
      low: axes.map((k) => Math.min(shape.from[k], shape.to[k]) - reach) as unknown as Vector,
      high: axes.map((k) => Math.max(shape.from[k], shape.to[k]) + reach) as unknown as Vector,
    };
  }
  const swell = Math.sqrt(1 + 4 * (shape.fold?.amplitude ?? 0));
  const reach = axes.map((k) => {
    // The box round the box of the solid's own axes: larger than needed for an ellipsoid, exact for a square.
    let half = 0;
    for (const row of axes) {
      const turn = Math.abs(shape.rotation[3 * row + k]!);
      if (turn > 0) half += turn * shape.radii[row];
    }
    return half * swell + edgeMm;
  });
  return {
    low: axes.map((k) => shape.centre[k] - reach[k]!) as unknown as Vector,
    high: axes.map((k) => shape.centre[k] + reach[k]!) as unknown as Vector,
  };
}
