import type { NoiseField } from './noise-field.js';
import { emptyPoints, type Points, paint } from './paint.js';
import { type Box, boundingBox, type Shape, type Vector } from './shape.js';
import type { Relaxation } from './tissue.js';
import type { Warp } from './warp.js';

/** A patient's body, ready to be looked at: textbook shapes seen through the patient's own deformation. */
export interface Scene {
  shapes: readonly Shape[];
  noise: NoiseField;
  warp: Warp;
  /** Of the patient's tissues, where they are not the usual ones. */
  relaxation?: readonly Relaxation[];
}

/** One picture plane in scanner space (mm): where pixel (0, 0) lies and what one step does. */
export interface Plane {
  rows: number;
  columns: number;
  /** Centre of the plane. */
  centre: Vector;
  /** Step from one column to the next. */
  across: Vector;
  /** Step from one row to the next. */
  down: Vector;
  /** From the near to the far face of the slab that the plane stands for. */
  through: Vector;
}

/** How finely a plane is sampled: `inPlane^2` points a pixel, each `through` points deep. */
export interface Sampling {
  inPlane: number;
  through: number;
}

/** Points as dense as two by two a pixel of a usual picture, which has 28 rows; finer pixels need fewer. */
export function samplingOf([rows, columns]: readonly [number, number], through: number): Sampling {
  return { inPlane: Math.max(1, Math.round((2 * 28) / Math.min(rows, columns))), through };
}

/** Looks at scenes; keeps its buffers between looks, so use one for each thread. */
export class Camera {
  private points: Points = emptyPoints(0);
  private layer = new Float32Array(0);

  /**
   * Mean of a tissue property over each pixel's share of the slab.
   *
   * @param property one value per tissue
   * @returns `[rows, columns]`, row-major, newly allocated
   */
  look(scene: Scene, property: ArrayLike<number>, plane: Plane, sampling: Sampling): Float32Array {
    const pixels = plane.rows * plane.columns;
    if (this.layer.length !== pixels) {
      this.points = emptyPoints(pixels);
      this.layer = new Float32Array(pixels);
    }
    const edge = length(plane.across) / sampling.inPlane;
    const boxes = scene.shapes.map((shape) => boundingBox(shape, edge));
    const image = new Float32Array(pixels);
    const weight = 1 / (sampling.inPlane ** 2 * sampling.through);
    for (let t = 0; t < sampling.through; t += 1) {
      const depth = (t + 0.5) / sampling.through - 0.5;
      for (let v = 0; v < sampling.inPlane; v += 1) {
        const row = (v + 0.5) / sampling.inPlane - 0.5;
        for (let u = 0; u < sampling.inPlane; u += 1) {
          const column = (u + 0.5) / sampling.inPlane - 0.5;
          this.place(plane, row, column, depth);
          scene.warp.apply(this.points);
          paint(
            visible(scene.shapes, boxes, this.points),
            scene.noise,
            property,
            this.points,
            edge,
            this.layer,
          );
          for (let i = 0; i < pixels; i += 1) image[i] = image[i]! + weight * this.layer[i]!;
        }
      }
    }
    return image;
  }

  private place(plane: Plane, row: number, column: number, depth: number): void {
    const { across, down, through } = plane;
    const firstRow = row - 0.5 * (plane.rows - 1);
    const firstColumn = column - 0.5 * (plane.columns - 1);
    const start = (axis: 0 | 1 | 2) =>
      plane.centre[axis] + depth * through[axis] + firstRow * down[axis] + firstColumn * across[axis];
    const [x0, y0, z0] = [start(0), start(1), start(2)];
    const { x, y, z } = this.points;
    for (let r = 0, i = 0; r < plane.rows; r += 1) {
      for (let c = 0; c < plane.columns; c += 1, i += 1) {
        x[i] = x0 + r * down[0] + c * across[0];
        y[i] = y0 + r * down[1] + c * across[1];
        z[i] = z0 + r * down[2] + c * across[2];
      }
    }
  }
}

/** The shapes whose box meets the box of the points: most of a body is outside any one plane. */
function visible(shapes: readonly Shape[], boxes: readonly Box[], points: Points): Shape[] {
  const [lowX, highX] = range(points.x);
  const [lowY, highY] = range(points.y);
  const [lowZ, highZ] = range(points.z);
  return shapes.filter((_, i) => {
    const { low, high } = boxes[i]!;
    return (
      low[0] <= highX &&
      high[0] >= lowX &&
      low[1] <= highY &&
      high[1] >= lowY &&
      low[2] <= highZ &&
      high[2] >= lowZ
    );
  });
}

function range(values: Float32Array): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i]!;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

function length(v: Vector): number {
  return Math.sqrt(v[0] ** 2 + v[1] ** 2 + v[2] ** 2);
}
