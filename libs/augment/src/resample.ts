import { clamp } from './clamp.js';
import type { ViewParameters } from './draw-view.js';
import type { ImagePixels } from './image-pixels.js';
import { Scratch } from './scratch.js';

/** Where a plane's output pixels lie in its source. */
interface PlanePlan {
  /** Index of the upper left neighbour in a plane with one more row and column, channels apart. */
  from: Int32Array;
  /** How far on the way to the lower and to the right neighbour, [0, 1). */
  down: Float32Array;
  right: Float32Array;
}

const scratch = {
  plane: new Scratch(Float32Array),
  from: new Scratch(Int32Array),
  down: new Scratch(Float32Array),
  right: new Scratch(Float32Array),
};

/**
 * The view's geometry by one linear interpolation, edges repeated; values times `scale`. Returns their mean.
 *
 * A rotation stays in the plane, so all planes of a volume share one plan; between two slices each source pixel is
 * blended once, not once per neighbour. Planes carry their last row and column twice, so that every pixel has all its
 * neighbours.
 */
export function resample(image: ImagePixels, scale: number, view: ViewParameters, out: Float32Array): number {
  const { pixels, shape } = image;
  const [height, width, channels] = shape.slice(-3) as [number, number, number];
  const depth = shape.length === 4 ? shape[0]! : 1;
  const size = height * width * channels;
  const plan = planPlane(view, height, width);
  const plane = scratch.plane.of((height + 1) * (width + 1) * channels);
  const sliceStart = depth > 1 ? ((view.centre[0]! + 1) * depth) / 2 - 0.5 : 0;
  let total = 0;
  for (let slice = 0; slice < depth; slice += 1) {
    const place = depth > 1 ? sliceStart + (slice - (depth - 1) / 2) * view.halfEdge[0]! : 0;
    const z = clamp(place, depth - 1);
    const front = Math.floor(z);
    const share = z - front;
    if (share > 0) {
      const rear = (front + 1) * size;
      blend(
        pixels,
        front * size,
        rear,
        scale * (1 - share),
        scale * share,
        plane,
        height,
        width * channels,
        channels,
      );
    } else copy(pixels, front * size, scale, plane, height, width * channels, channels);
    const target = out.subarray(slice * size, (slice + 1) * size);
    total +=
      channels === 1
        ? sample(plane, plan, width, target)
        : sampleChannels(plane, plan, width, channels, target);
  }
  return total / out.length;
}

/** The in-plane affine map from output to source pixels: centre + R (halfEdge * flip * offset from the middle). */
function planPlane(view: ViewParameters, height: number, width: number): PlanePlan {
  const [centreY, centreX] = view.centre.slice(-2) as [number, number];
  const [halfY, halfX] = view.halfEdge.slice(-2) as [number, number];
  const [cos, sin] = [Math.cos(view.rotation), Math.sin(view.rotation)];
  const [signY, signX] = view.flip.map((flip) => (flip ? -1 : 1)) as [number, number];
  const rowPerColumn = -sin * halfX * signX;
  const columnPerColumn = cos * halfX * signX;
  const from = scratch.from.of(height * width);
  const down = scratch.down.of(height * width);
  const right = scratch.right.of(height * width);
  const [lastRow, lastColumn] = [height - 1, width - 1];
  let at = 0;
  for (let r = 0; r < height; r += 1) {
    const dr = r - lastRow / 2;
    const row = ((centreY + 1) * height) / 2 - 0.5 + dr * cos * halfY * signY;
    const column = ((centreX + 1) * width) / 2 - 0.5 + dr * sin * halfY * signY;
    for (let c = 0; c < width; c += 1, at += 1) {
      const dc = c - lastColumn / 2;
      const y = clamp(row + dc * rowPerColumn, lastRow);
      const x = clamp(column + dc * columnPerColumn, lastColumn);
      const y0 = y | 0;
      const x0 = x | 0;
      from[at] = y0 * (width + 1) + x0;
      down[at] = y - y0;
      right[at] = x - x0;
    }
  }
  return { from, down, right };
}

/** One slice into a plane with one more row and column. */
function copy(
  pixels: ImagePixels['pixels'],
  start: number,
  scale: number,
  plane: Float32Array,
  height: number,
  rowLength: number,
  channels: number,
): void {
  let from = start;
  let to = 0;
  for (let r = 0; r < height; r += 1, to += channels) {
    for (let i = 0; i < rowLength; i += 1, from += 1, to += 1) plane[to] = pixels[from]! * scale;
    for (let k = 0; k < channels; k += 1) plane[to + k] = plane[to + k - channels]!;
  }
  plane.copyWithin(to, to - rowLength - channels, to);
}

/** Two slices, weighted, into a plane with one more row and column. */
function blend(
  pixels: ImagePixels['pixels'],
  front: number,
  rear: number,
  frontWeight: number,
  rearWeight: number,
  plane: Float32Array,
  height: number,
  rowLength: number,
  channels: number,
): void {
  let at = 0;
  let to = 0;
  for (let r = 0; r < height; r += 1, to += channels) {
    for (let i = 0; i < rowLength; i += 1, at += 1, to += 1)
      plane[to] = pixels[front + at]! * frontWeight + pixels[rear + at]! * rearWeight;
    for (let k = 0; k < channels; k += 1) plane[to + k] = plane[to + k - channels]!;
  }
  plane.copyWithin(to, to - rowLength - channels, to);
}

/** Bilinear interpolation of a grey plane; returns the sum of what it wrote. */
function sample(
  plane: Float32Array,
  { from, down, right }: PlanePlan,
  width: number,
  out: Float32Array,
): number {
  let total = 0;
  for (let at = 0; at < out.length; at += 1) {
    const start = from[at]!;
    const below = start + width + 1;
    const fx = right[at]!;
    const left = plane[start]!;
    const leftBelow = plane[below]!;
    const top = left + (plane[start + 1]! - left) * fx;
    const bottom = leftBelow + (plane[below + 1]! - leftBelow) * fx;
    const value = top + (bottom - top) * down[at]!;
    out[at] = value;
    total += value;
  }
  return total;
}

function sampleChannels(
  plane: Float32Array,
  { from, down, right }: PlanePlan,
  width: number,
  channels: number,
  out: Float32Array,
): number {
  const rowLength = (width + 1) * channels;
  let total = 0;
  let to = 0;
  for (let at = 0; at < from.length; at += 1) {
    const fx = right[at]!;
    const fy = down[at]!;
    let start = from[at]! * channels;
    for (let k = 0; k < channels; k += 1, start += 1, to += 1) {
      const below = start + rowLength;
      const top = plane[start]! + (plane[start + channels]! - plane[start]!) * fx;
      const bottom = plane[below]! + (plane[below + channels]! - plane[below]!) * fx;
      const value = top + (bottom - top) * fy;
      out[to] = value;
      total += value;
    }
  }
  return total;
}
