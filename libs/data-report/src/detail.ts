import { alongAxis } from '@medformer/imaging/axis-weights';
import type { ImageGrid } from './image-grid.js';
import { gaussianWeights } from './separable.js';

/** Deviation of the blur, in samples: what it takes away is anatomy, what it leaves is edges, texture and noise. */
const BLUR_SIGMA = 2;

/** Of a detail's deviation, what one step of its 8-bit form is. */
const STEP = 1 / 24;

/** The fine structure of an image. */
export interface Detail {
  /** Of the grid that it was taken from. */
  shape: number[];
  /** Grid less its blur, over its own deviation, in 24ths, clipped; row-major. */
  values: Int8Array | Float32Array;
}

/** Moved by whole samples, so that what lay at `at - shift` lies at `at`; ends repeat. */
export function shifted({ shape, values }: Detail, shift: readonly number[]): Detail {
  const moved = new Float32Array(values.length);
  const [depth, height, width] = threeAxes(shape, 1);
  const [dz, dy, dx] = threeAxes(shift, 0);
  const within = (place: number, edge: number) => Math.min(edge - 1, Math.max(0, place));
  let at = 0;
  for (let z = 0; z < depth; z += 1) {
    for (let row = 0; row < height; row += 1) {
      const from = (within(z - dz, depth) * height + within(row - dy, height)) * width;
      for (let column = 0; column < width; column += 1)
        moved[at++] = values[from + within(column - dx, width)]!;
    }
  }
  return { shape, values: moved };
}

/** Undefined of an image without any structure, such as an empty one. */
export function detailOf({ shape, values }: ImageGrid): Detail | undefined {
  let blurred = values;
  for (const [axis, edge] of shape.entries())
    blurred = alongAxis(blurred, shape, axis, gaussianWeightsOf(edge));
  let squares = 0;
  for (let at = 0; at < values.length; at += 1) squares += (values[at]! - blurred[at]!) ** 2;
  const deviation = Math.sqrt(squares / values.length);
  // Below a tenth of an 8-bit grey level there is rounding, not structure.
  if (deviation < 0.1 / 255) return undefined;
  const detail = new Int8Array(values.length);
  for (let at = 0; at < values.length; at += 1) {
    const steps = Math.round((values[at]! - blurred[at]!) / (deviation * STEP));
    detail[at] = Math.max(-127, Math.min(127, steps));
  }
  return { shape, values: detail };
}

/**
 * How far two images agree in their fine structure: the smaller of the correlation over all samples and the mean of the
 * correlations of their parts (3 x 3 of an image, 2 x 2 x 2 of a volume; parts without structure in both do not count).
 * A copy agrees everywhere. Another subject may share the outline of a body, and with it a part of the former, but not
 * every part.
 * @param shift where y lies in x, in samples per axis
 * @returns -1 to 1
 */
export function detailCorrelation(x: Detail, y: Detail, shift: readonly number[]): number {
  const axes = x.shape.length;
  const [depth, height, width] = threeAxes(x.shape, 1);
  const [dz, dy, dx] = threeAxes(shift, 0);
  const perAxis = axes === 3 ? 2 : 3;
  const parts = Array.from({ length: axes === 3 ? 8 : 9 }, () => new Moments());
  for (let z = Math.max(0, dz); z < Math.min(depth, depth + dz); z += 1) {
    const slab = axes === 3 ? Math.floor((z * perAxis) / depth) * perAxis * perAxis : 0;
    for (let row = Math.max(0, dy); row < Math.min(height, height + dy); row += 1) {
      const strip = slab + Math.floor((row * perAxis) / height) * perAxis;
      const atX = (z * height + row) * width;
      const atY = ((z - dz) * height + row - dy) * width - dx;
      for (let column = Math.max(0, dx); column < Math.min(width, width + dx); column += 1) {
        const part = strip + Math.floor((column * perAxis) / width);
        parts[part]!.add(x.values[atX + column]!, y.values[atY + column]!);
      }
    }
  }
  const whole = new Moments();
  for (const part of parts) whole.addAll(part);
  const [varianceX, varianceY] = whole.variances();
  const structured = parts.filter((part) => {
    const [ofX, ofY] = part.variances();
    return ofX >= LITTLE * varianceX || ofY >= LITTLE * varianceY;
  });
  const mean = structured.reduce((sum, part) => sum + part.correlation(), 0) / structured.length;
  return Math.min(whole.correlation(), mean);
}

function threeAxes(values: readonly number[], first: number): [number, number, number] {
  return (values.length === 3 ? values : [first, ...values]) as [number, number, number];
}

/** A part whose variance is a smaller share of the image's than this has no structure. */
const LITTLE = 0.05;

class Moments {
  private n = 0;
  private x = 0;
  private y = 0;
  private xx = 0;
  private yy = 0;
  private xy = 0;

  add(x: number, y: number): void {
    this.n += 1;
    this.x += x;
    this.y += y;
    this.xx += x * x;
    this.yy += y * y;
    this.xy += x * y;
  }

  addAll(other: Moments): void {
    this.n += other.n;
    this.x += other.x;
    this.y += other.y;
    this.xx += other.xx;
    this.yy += other.yy;
    this.xy += other.xy;
  }

  variances(): [number, number] {
    if (this.n === 0) return [0, 0];
    return [this.xx / this.n - (this.x / this.n) ** 2, this.yy / this.n - (this.y / this.n) ** 2];
  }

  /** 0 where one of both does not vary. */
  correlation(): number {
    const [x, y] = this.variances();
    return x <= 0 || y <= 0 ? 0 : (this.xy / this.n - (this.x * this.y) / this.n ** 2) / Math.sqrt(x * y);
  }
}

const known = new Map<number, ReturnType<typeof gaussianWeights>>();

function gaussianWeightsOf(edge: number): ReturnType<typeof gaussianWeights> {
  const rows = known.get(edge) ?? gaussianWeights(edge, BLUR_SIGMA);
  known.set(edge, rows);
  return rows;
}
