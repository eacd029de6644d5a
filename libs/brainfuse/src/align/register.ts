import { Matrix, solve } from 'ml-matrix';
import { type Affine, forEachVoxel, identityAffine, inVoxels, transform } from './affine.js';
import { normalEquations } from './normal-equations.js';
import { type Level, pyramid } from './pyramid.js';
import { type Grid, Sampler } from './sample-grid.js';

/** Grey values that differ by more than this share of the image's deviation are another tissue, not another place. */
const ROBUST_SCALE = 0.75;
/** More voxels than this say no more about a dozen numbers. */
const MOST_SAMPLES = 4000;
const MOST_STEPS = 10;
/** A step smaller than this share of a voxel, at the border, is none. */
const SMALLEST_STEP = 0.03;
/**
 * What two patients differ by, as standard deviations of a Gaussian prior: shifts as a share of half the longest edge, and
 * the entries of the matrix. Without it heads of other contrast are squeezed and turned until their rims cover each other.
 */
const PRIOR_SHIFT = 0.15;
const PRIOR_MATRIX = 0.12;
/** Weight of the prior: one standard deviation costs this share of the fixed image's variance. */
const PRIOR_WEIGHT = 0.003;
/** Scales may change by this factor, turns by this angle: further away is no patient, but a failure. */
const MOST_SCALE = 1.6;
const MOST_TURN = Math.PI / 6;

/**
 * The rigid or affine map that lays the moving image on the fixed one: least squares of grey values by Gauss and Newton
 * with Levenberg's damping, coarse to fine (as in Lucas and Kanade 1981, inverse roles). For images of one modality
 * whose histograms were matched. Never worse than no map: where it ends at a larger difference than the identity, or at a
 * map that no two patients differ by, the identity is given. Where a body is and how large comes first, by what stands out
 * of the dark; then its inside. A weak prior keeps the map near the identity where the grey
 * values do not tell.
 *
 * @param fixed and `moving`: one channel, [...spatial] of `grid`
 */
export function register(
  fixed: Float32Array,
  moving: Float32Array,
  grid: Grid,
  model: 'rigid' | 'affine',
): Affine {
  const axes = grid.spatial.length;
  const identity = identityAffine(axes);
  let affine = identity;
  for (const level of pyramid(foreground(fixed), foreground(moving), grid))
    affine = refine(level, affine, model, Number.POSITIVE_INFINITY);
  const levels = pyramid(fixed, moving, grid);
  for (const level of levels) affine = refine(level, affine, model, ROBUST_SCALE * Math.sqrt(level.variance));
  const finest = levels.at(-1)!;
  const kept = isPlausible(affine, axes) && costOf(finest, affine) < costOf(finest, identity);
  return kept ? affine : identity;
}

/** How much of each voxel is body: its grey value up to half the median of what is brighter than a tenth of the brightest. */
function foreground(values: Float32Array): Float32Array {
  let brightest = 0;
  for (const value of values) brightest = Math.max(brightest, value);
  const body = values.filter((value) => value > brightest / 10).sort();
  const full = (body[body.length >> 1] ?? 1) / 2;
  return values.map((value) => Math.min(1, value / full));
}

function refine(level: Level, start: Affine, model: 'rigid' | 'affine', scale: number): Affine {
  const axes = level.spatial.length;
  let affine = start;
  let { cost, hessian, gradient } = equations(level, affine, model, scale);
  let damping = 1e-3;
  for (let step = 0; step < MOST_STEPS; step += 1) {
    const size = gradient.length;
    const damped = hessian.clone();
    for (let at = 0; at < size; at += 1) damped.set(at, at, hessian.get(at, at) * (1 + damping) + 1e-12);
    const change = solve(damped, Matrix.columnVector(gradient.map((value) => -value))).to1DArray();
    const next = stepped(affine, change, axes, model);
    const there = equations(level, next, model, scale);
    if (there.cost < cost) {
      affine = next;
      ({ cost, hessian, gradient } = there);
      damping = Math.max(1e-6, damping / 10);
      if (reachOf(change, level, model) < SMALLEST_STEP) break;
    } else {
      damping *= 10;
      if (damping > 1e3) break;
    }
  }
  return affine;
}

/** The cost of a map with its prior, and the normal equations for small changes of it. */
function equations(level: Level, affine: Affine, model: 'rigid' | 'affine', scale: number) {
  const all = normalEquations(level, affine, scale, strideOf(level.spatial));
  const chosen = projection(level.spatial.length, model);
  const hessian = chosen.transpose().mmul(all.hessian).mmul(chosen);
  const gradient = chosen.transpose().mmul(Matrix.columnVector(all.gradient)).to1DArray();
  let { cost } = all;
  const weight = PRIOR_WEIGHT * level.variance;
  deviations(affine, level, model).forEach(({ value, deviation }, at) => {
    cost += weight * (value / deviation) ** 2;
    gradient[at]! += (weight * value) / deviation ** 2;
    hessian.set(at, at, hessian.get(at, at) + weight / deviation ** 2);
  });
  return { cost, hessian, gradient };
}

/** [shifts and entries of the matrix, changes of the model]: what each change is made of. */
function projection(axes: number, model: 'rigid' | 'affine'): Matrix {
  const found = changes(axes, model);
  const chosen = Matrix.zeros(axes + axes * axes, found.length);
  found.forEach(({ rows, columns, signs }, change) => {
    rows.forEach((row, part) => {
      const column = columns[part]!;
      chosen.set(column < 0 ? row : axes + row * axes + column, change, signs[part]!);
    });
  });
  return chosen;
}

/** How far the map is from the identity along each change, and how far maps usually are. */
function deviations({ matrix, offset }: Affine, { spatial, spacing }: Level, model: 'rigid' | 'affine') {
  const axes = spatial.length;
  const reach = Math.max(...spatial.map((edge, axis) => (edge * spacing[axis]!) / 2));
  return changes(axes, model).map(({ rows, columns, signs }) => {
    if (columns[0]! < 0) return { value: offset[rows[0]!]!, deviation: PRIOR_SHIFT * reach };
    const parts = rows.map((row, part) => {
      const unit = row === columns[part] ? 1 : 0;
      return signs[part]! * (matrix[row * axes + columns[part]!]! - unit);
    });
    return { value: parts.reduce((sum, part) => sum + part, 0) / parts.length, deviation: PRIOR_MATRIX };
  });
}

/** A change of the map: sum over its parts of sign * (row of the place) by (column of the place, or 1 for -1). */
interface Change {
  rows: number[];
  columns: number[];
  signs: number[];
}

function changes(axes: number, model: 'rigid' | 'affine'): Change[] {
  const each = Array.from({ length: axes }, (_, axis) => axis);
  const shifts = each.map((row) => ({ rows: [row], columns: [-1], signs: [1] }));
  if (model === 'affine') {
    return [
      ...shifts,
      ...each.flatMap((row) => each.map((column) => ({ rows: [row], columns: [column], signs: [1] }))),
    ];
  }
  const planes = each.flatMap((row) =>
    each.filter((column) => column > row).map((column) => [row, column] as const),
  );
  return [...shifts, ...planes.map(([a, b]) => ({ rows: [a, b], columns: [b, a], signs: [-1, 1] }))];
}

/** The map followed by the change: place -> (I + change) place + shift; turns stay turns. */
function stepped(affine: Affine, change: number[], axes: number, model: 'rigid' | 'affine'): Affine {
  const shift = change.slice(0, axes);
  const turn = Matrix.eye(axes, axes);
  if (model === 'affine') {
    for (let at = 0; at < axes * axes; at += 1) {
      const [row, column] = [Math.floor(at / axes), at % axes];
      turn.set(row, column, turn.get(row, column) + change[axes + at]!);
    }
  } else turn.mul(0).add(rotationOf(change.slice(axes), axes));
  const matrix = Matrix.from1DArray(axes, axes, affine.matrix);
  const offset = Matrix.columnVector(affine.offset);
  return {
    matrix: turn.mmul(matrix).to1DArray(),
    offset: turn
      .mmul(offset)
      .to1DArray()
      .map((value, axis) => value + shift[axis]!),
  };
}

/** Product of the turns in each plane of axes. */
function rotationOf(angles: readonly number[], axes: number): Matrix {
  let turn = Matrix.eye(axes, axes);
  changes(axes, 'rigid')
    .slice(axes)
    .forEach(({ rows: [a, b] }, at) => {
      const plane = Matrix.eye(axes, axes);
      const [cos, sin] = [Math.cos(angles[at]!), Math.sin(angles[at]!)];
      plane.set(a!, a!, cos);
      plane.set(a!, b!, -sin);
      plane.set(b!, a!, sin);
      plane.set(b!, b!, cos);
      turn = plane.mmul(turn);
    });
  return turn;
}

/** How far a change moves the outermost voxel, in voxels. */
function reachOf(change: readonly number[], { spatial, spacing }: Level, model: 'rigid' | 'affine'): number {
  const reach = Math.max(...spatial.map((edge, axis) => (edge * spacing[axis]!) / 2));
  return changes(spatial.length, model).reduce((most, { columns }, at) => {
    const moved = Math.abs(change[at]!) * (columns[0]! < 0 ? 1 : reach);
    return Math.max(most, moved / Math.min(...spacing));
  }, 0);
}

function costOf(level: Level, affine: Affine): number {
  const { matrix, offset } = inVoxels(affine, level);
  const sampler = new Sampler(level.moving, level.spatial);
  const place = new Float64Array(level.spatial.length);
  let cost = 0;
  forEachVoxel(level.spatial, strideOf(level.spatial), (voxel, at) => {
    transform(matrix, offset, at, place);
    cost += (sampler.at(place) - level.fixed[voxel]!) ** 2;
  });
  return cost;
}

/** Odd, so that the samples of a volume are not all of one column. */
function strideOf(spatial: readonly number[]): number {
  const voxels = spatial.reduce((product, edge) => product * edge, 1);
  return 2 * Math.floor(Math.ceil(voxels / MOST_SAMPLES) / 2) + 1;
}

/** No axis stretched or turned further than patients and their positions differ. */
function isPlausible({ matrix }: Affine, axes: number): boolean {
  return Array.from({ length: axes }, (_, axis) => axis).every((axis) => {
    const column = Array.from({ length: axes }, (_, row) => matrix[row * axes + axis]!);
    const length = Math.hypot(...column);
    return (
      length < MOST_SCALE &&
      length > 1 / MOST_SCALE &&
      Math.acos(Math.min(1, column[axis]! / length)) < MOST_TURN
    );
  });
}
