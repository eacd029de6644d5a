import { badInput, type MedformerError } from '@medformer/schema';
import type { Matrix } from './orient.js';

/** Where a slice lies: DICOM's Image Plane module (PS3.3 C.7.6.2), in mm, x to the left, y to the back, z up. */
export interface SlicePlane {
  /** Centre of the first pixel. */
  position: readonly number[];
  /** Direction of increasing columns, then of increasing rows. */
  orientation: readonly number[];
  /** Between rows, between columns. */
  pixelSpacing: readonly number[];
}

/** A slice of a series, with what errors call it. */
export interface PlacedSlice extends SlicePlane {
  name: string;
  rows: number;
  columns: number;
}

export interface SliceStack {
  /** Indices into the slices as given, along the normal. */
  order: number[];
  /** Voxel axes (columns, rows, slices) to right, anterior, superior; mm. */
  affine: Matrix;
}

/** Largest difference between direction cosines of one stack; files round to as little as 4 digits. */
const COSINE_TOLERANCE = 1e-3;
/** Of the distance between slices: relative, and in mm for what rounding makes of it. */
const SPACING_TOLERANCE = 0.01;
const SPACING_TOLERANCE_MM = 0.01;
/** A shift of the slices against their normal beyond this is a tilt of the gantry. */
const TILT_TOLERANCE_DEGREES = 0.5;
const NAMED = 4;

/**
 * Orders slices along their common normal and tells their geometry. Nothing is guessed: slices of other sizes or
 * directions, two at one place, gaps, uneven distances and a tilted gantry are refused, naming the files.
 *
 * @throws MedformerError INVALID_ARGUMENT
 */
export function stackSlices(slices: readonly PlacedSlice[], series: string): SliceStack {
  const [first] = slices as [PlacedSlice, ...PlacedSlice[]];
  const refuse = (field: string, expected: string, found: string): MedformerError =>
    badInput({ file: series, field, expected, found });
  refuseMixture(slices, first, refuse);
  const row = first.orientation.slice(0, 3);
  const column = first.orientation.slice(3);
  const normal = unit(cross(row, column), refuse);
  const depth = slices.map(({ position }) => dot(position, normal));
  const order = [...slices.keys()].sort((x, y) => depth[x]! - depth[y]!);
  const steps = order.slice(1).map((slice, index) => depth[slice]! - depth[order[index]!]!);
  refuseUneven(steps, order, slices, refuse);
  const between = steps.reduce((sum, step) => sum + step, 0) / steps.length;
  const last = slices[order.at(-1)!]!;
  const lowest = slices[order[0]!]!;
  const run = last.position.map((value, axis) => value - lowest.position[axis]!);
  const along = dot(run, normal);
  const shift = Math.hypot(...run.map((value, axis) => value - along * normal[axis]!));
  const tilt = (Math.atan2(shift, along) * 180) / Math.PI;
  if (tilt > TILT_TOLERANCE_DEGREES) {
    const found = `a shift of ${tilt.toFixed(1)} degrees from ${lowest.name} to ${last.name} (gantry tilt)`;
    throw refuse('(0020,0032) ImagePositionPatient', 'slices straight above each other', found);
  }
  const [rowSpacing = 1, columnSpacing = 1] = first.pixelSpacing;
  const sides = [-1, -1, 1];
  const affine = sides.map((side, axis) => [
    side * row[axis]! * columnSpacing,
    side * column[axis]! * rowSpacing,
    side * normal[axis]! * between,
  ]);
  return { order, affine };
}

type Refuse = (field: string, expected: string, found: string) => MedformerError;

function refuseMixture(slices: readonly PlacedSlice[], first: PlacedSlice, refuse: Refuse): void {
  const differ = (x: readonly number[], y: readonly number[]) =>
    x.some((value, index) => Math.abs(value - y[index]!) > COSINE_TOLERANCE);
  const report = (field: string, expected: string, others: readonly PlacedSlice[], found: string) => {
    if (others.length > 0)
      throw refuse(field, `${expected} as of ${first.name}`, `${found}: ${named(others)}`);
  };
  report(
    '(0020,0037) ImageOrientationPatient',
    'one orientation',
    slices.filter(({ orientation }) => differ(orientation, first.orientation)),
    'another (mixed orientations)',
  );
  report(
    '(0028,0010) Rows, Columns',
    `${first.rows} x ${first.columns}`,
    slices.filter(({ rows, columns }) => rows !== first.rows || columns !== first.columns),
    'another size',
  );
  report(
    '(0028,0030) PixelSpacing',
    'one pixel spacing',
    slices.filter(({ pixelSpacing }) => differ(pixelSpacing, first.pixelSpacing)),
    'another',
  );
}

function refuseUneven(
  steps: readonly number[],
  order: readonly number[],
  slices: readonly PlacedSlice[],
  refuse: Refuse,
): void {
  const field = '(0020,0032) ImagePositionPatient';
  const pair = (index: number) => `${slices[order[index]!]!.name} and ${slices[order[index + 1]!]!.name}`;
  const twins = [...steps.keys()].filter((index) => steps[index]! < 1e-3);
  if (twins.length > 0) {
    const found = `${twins.length + 1 === slices.length ? 'all' : 'two'} at the same: ${twins.slice(0, NAMED).map(pair).join('; ')}`;
    throw refuse(field, 'every slice at a place of its own', `${found} (duplicates)`);
  }
  const usual = [...steps].sort((x, y) => x - y)[Math.floor((steps.length - 1) / 2)]!;
  const uneven = [...steps.keys()].filter(
    (index) => Math.abs(steps[index]! - usual) > Math.max(SPACING_TOLERANCE_MM, SPACING_TOLERANCE * usual),
  );
  if (uneven.length === 0) return;
  const [worst] = uneven as [number];
  const times = steps[worst]! / usual;
  const missing = Math.abs(times - Math.round(times)) < 0.05 && times > 1.5 ? Math.round(times) - 1 : 0;
  const kind = missing > 0 ? `a gap of ${missing} slice${missing > 1 ? 's' : ''}` : 'non-uniform spacing';
  const found = `${steps[worst]!.toFixed(3)} mm between ${pair(worst)} (${kind}${uneven.length > 1 ? `, at ${uneven.length} places` : ''})`;
  throw refuse(field, `slices ${usual.toFixed(3)} mm apart`, found);
}

function named(slices: readonly PlacedSlice[]): string {
  const names = slices.slice(0, NAMED).map(({ name }) => name);
  return slices.length > NAMED ? `${names.join(', ')} and ${slices.length - NAMED} more` : names.join(', ');
}

function cross(x: readonly number[], y: readonly number[]): number[] {
  return [x[1]! * y[2]! - x[2]! * y[1]!, x[2]! * y[0]! - x[0]! * y[2]!, x[0]! * y[1]! - x[1]! * y[0]!];
}

function dot(x: readonly number[], y: readonly number[]): number {
  return x[0]! * y[0]! + x[1]! * y[1]! + x[2]! * y[2]!;
}

function unit(vector: number[], refuse: Refuse): number[] {
  const length = Math.hypot(...vector);
  if (!(Math.abs(length - 1) < 0.01)) {
    throw refuse('(0020,0037) ImageOrientationPatient', 'two perpendicular unit vectors', 'others');
  }
  return vector.map((value) => value / length);
}
