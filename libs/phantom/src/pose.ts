import type { Rng } from '@medformer/schema';
import type { Plane } from './scene.js';
import { rotation, type Vector } from './shape.js';

/** How the patient lay in the scanner and how the technician framed the picture. */
export interface Pose {
  /** Row-major rotation of the scanner's axes in the body's frame. */
  axes: readonly number[];
  /** Centre of the picture in the body's frame, mm. */
  centre: Vector;
  fieldOfViewMm: number;
  mirrored: boolean;
}

/** How far poses stray: these are the changes that augmented views make as well. */
export interface PoseSpread {
  turnDegrees: number;
  tiltDegrees: number;
  /** Smallest and largest field of view relative to the usual one. */
  zoom: readonly [number, number];
  /** Standard deviation of the centre, relative to the field of view. */
  shift: number;
  mirror: boolean;
}

/**
 * @param turnAxis the viewing direction, about which the picture turns within its plane
 */
export function drawPose(
  rng: Rng,
  levelMm: number,
  usualFieldOfViewMm: number,
  turnAxis: 'y' | 'z',
  spread: PoseSpread,
): Pose {
  const turn = clippedNormal(rng) * spread.turnDegrees;
  const tilt = () => clippedNormal(rng) * spread.tiltDegrees;
  const fieldOfViewMm = usualFieldOfViewMm * rng.uniform(...spread.zoom);
  const shift = () => clippedNormal(rng) * spread.shift * usualFieldOfViewMm;
  return {
    axes: turnAxis === 'z' ? rotation(tilt(), tilt(), turn) : rotation(tilt(), turn, tilt()),
    centre: turnAxis === 'z' ? [shift(), shift(), levelMm + 0.5 * shift()] : [shift(), 0, levelMm + shift()],
    fieldOfViewMm,
    mirrored: spread.mirror && rng.chance(0.5),
  };
}

/** Rows and columns over the field of view. */
type PlaneShape = readonly [number, number];

/** An axial plane seen from the feet: front at the top, the patient's right on the left. */
export function axialPlane(pose: Pose, shape: PlaneShape, thicknessMm: number): Plane {
  const [row, column] = stepsMm(pose, shape);
  return {
    rows: shape[0],
    columns: shape[1],
    centre: pose.centre,
    across: along(pose.axes, pose.mirrored ? column : -column, 0, 0),
    down: along(pose.axes, 0, -row, 0),
    through: along(pose.axes, 0, 0, thicknessMm),
  };
}

/** A frontal projection: head at the top, the patient's right on the left, the beam along the depth. */
export function frontalPlane(pose: Pose, shape: PlaneShape, depthMm: number): Plane {
  const [row, column] = stepsMm(pose, shape);
  return {
    rows: shape[0],
    columns: shape[1],
    centre: pose.centre,
    across: along(pose.axes, pose.mirrored ? column : -column, 0, 0),
    down: along(pose.axes, 0, 0, -row),
    through: along(pose.axes, 0, depthMm, 0),
  };
}

/** One slice of a stack in RAS order: columns to the right, rows to the front, `heightMm` above the centre. */
export function stackPlane(pose: Pose, shape: PlaneShape, heightMm: number, thicknessMm: number): Plane {
  const [row, column] = stepsMm(pose, shape);
  const up = along(pose.axes, 0, 0, heightMm);
  return {
    rows: shape[0],
    columns: shape[1],
    centre: [pose.centre[0] + up[0], pose.centre[1] + up[1], pose.centre[2] + up[2]],
    across: along(pose.axes, column, 0, 0),
    down: along(pose.axes, 0, row, 0),
    through: along(pose.axes, 0, 0, thicknessMm),
  };
}

/** Lengths in pixels of a usual picture, in pixels of another over the same field. */
export function pixelsOf(
  lengths: readonly number[],
  shape: readonly number[],
  usual: readonly number[],
): number[] {
  return lengths.map((length, axis) => length * (shape[axis]! / usual[axis]!));
}

function stepsMm({ fieldOfViewMm }: Pose, [rows, columns]: PlaneShape): [row: number, column: number] {
  return [fieldOfViewMm / rows, fieldOfViewMm / columns];
}

function along(axes: readonly number[], x: number, y: number, z: number): Vector {
  return [
    axes[0]! * x + axes[1]! * y + axes[2]! * z,
    axes[3]! * x + axes[4]! * y + axes[5]! * z,
    axes[6]! * x + axes[7]! * y + axes[8]! * z,
  ];
}

function clippedNormal(rng: Rng): number {
  return Math.min(2, Math.max(-2, rng.normal()));
}
