import type { ViewParameters } from './draw-view.js';
import type { ImagePixels } from './image-pixels.js';
import { Scratch } from './scratch.js';

/** The in-plane affine map from output to source places, in pixels. */
interface PlaneMap {
  /** Source place of the output's first pixel. */
  row: number;
  column: number;
  /** How far the source place moves from one output row or column to the next. */
  rowPerRow: number;
  columnPerRow: number;
  rowPerColumn: number;
  columnPerColumn: number;
}

const scratch = new Scratch(Float32Array);

/**
 * The view's geometry by one linear interpolation, edges repeated; values times `scale`. Returns their mean.
 *
 * A rotation stays in the plane, so that between two slices of a volume each source pixel is blended once, not once per
 * neighbour.
 */
export function resample(image: ImagePixels, scale: number, view: ViewParameters, out: Float32Array): number {
  const { pixels, shape } = image;
  const [height, width, channels] = shape.slice(-3) as [number, number, number];
  const depth = shape.length === 4 ? shape[0]! : 1;
  const size = height * width * channels;
  const map = planeMap(view, height, width);
  const plane = planeOf(height, width, channels);
  const sliceStart = depth > 1 ? ((view.centre[0]! + 1) * depth) / 2 - 0.5 : 0;
  let total = 0;
  for (let slice = 0; slice < depth; slice += 1) {
    const place = depth > 1 ? sliceStart + (slice - (depth - 1) / 2) * view.halfEdge[0]! : 0;
    const z = clamp(place, depth - 1);
    const front = Math.floor(z);
    const share = z - front;
    if (share > 0) blend(pixels, front * size, share, plane, size);
    else plane.set(depth > 1 ? pixels.subarray(front * size, (front + 1) * size) : pixels);
    for (let channel = 0; channel < channels; channel += 1)
      total += sample(plane.subarray(channel), map, shape, scale, out, slice * size + channel);
  }
  return total / out.length;
}

/** Room for a plane, with zeros for the neighbours behind its last row and column: their weight is 0. */
function planeOf(height: number, width: number, channels: number): Float32Array {
  const size = height * width * channels;
  return scratch.of(size + (width + 1) * channels).fill(0, size);
}

/** centre + R (halfEdge * flip * offset from the middle). */
function planeMap(view: ViewParameters, height: number, width: number): PlaneMap {
  const [centreY, centreX] = view.centre.slice(-2) as [number, number];
  const [halfY, halfX] = view.halfEdge.slice(-2) as [number, number];
  const [cos, sin] = [Math.cos(view.rotation), Math.sin(view.rotation)];
  const [stepY, stepX] = [view.flip[0] ? -halfY : halfY, view.flip[1] ? -halfX : halfX];
  const [rowPerRow, columnPerRow] = [cos * stepY, sin * stepY];
  const [rowPerColumn, columnPerColumn] = [-sin * stepX, cos * stepX];
  const [middleRow, middleColumn] = [(height - 1) / 2, (width - 1) / 2];
  return {
    row: ((centreY + 1) * height) / 2 - 0.5 - middleRow * rowPerRow - middleColumn * rowPerColumn,
    column: ((centreX + 1) * width) / 2 - 0.5 - middleRow * columnPerRow - middleColumn * columnPerColumn,
    rowPerRow,
    columnPerRow,
    rowPerColumn,
    columnPerColumn,
  };
}

/** The slice that begins at `front` and the one behind it, which has weight `share`. */
function blend(
  pixels: ImagePixels['pixels'],
  front: number,
  share: number,
  plane: Float32Array,
  size: number,
): void {
  const rear = front + size;
  for (let at = 0; at < size; at += 1) {
    const value = pixels[front + at]!;
    plane[at] = value + (pixels[rear + at]! - value) * share;
  }
}

/**
 * Bilinear interpolation of the channel that the plane begins with; returns the sum of what it wrote.
 *
 * A row of the output shows a straight line through the source, so that only its two ends may lie outside. There, each
 * place is cut off; the stretch between needs no tests.
 */
function sample(
  plane: Float32Array,
  map: PlaneMap,
  shape: readonly number[],
  scale: number,
  out: Float32Array,
  start: number,
): number {
  const [height, width, channels] = shape.slice(-3) as [number, number, number];
  const { rowPerColumn, columnPerColumn } = map;
  const [lastRow, lastColumn] = [height - 1, width - 1];
  const rowLength = width * channels;
  let total = 0;
  for (let r = 0; r < height; r += 1) {
    const row = map.row + r * map.rowPerRow;
    const column = map.column + r * map.columnPerRow;
    const to = start + r * rowLength;
    let first = 0;
    while (
      first < width &&
      isOutside(row + first * rowPerColumn, column + first * columnPerColumn, lastRow, lastColumn)
    )
      first += 1;
    let end = width;
    while (
      end > first &&
      isOutside(row + (end - 1) * rowPerColumn, column + (end - 1) * columnPerColumn, lastRow, lastColumn)
    )
      end -= 1;
    for (let i = 0; i < first + width - end; i += 1) {
      const c = i < first ? i : i - first + end;
      const y = clamp(row + c * rowPerColumn, lastRow);
      const x = clamp(column + c * columnPerColumn, lastColumn);
      const value = interpolate(plane, y, x, rowLength, channels) * scale;
      out[to + c * channels] = value;
      total += value;
    }
    total += sampleLine(
      plane,
      row + first * rowPerColumn,
      column + first * columnPerColumn,
      rowPerColumn,
      columnPerColumn,
      rowLength,
      channels,
      scale,
      out,
      to + first * channels,
      to + end * channels,
    );
  }
  return total;
}

/** Places along a line that begins at (y, x) and stays inside, written from `to` up to `end`. */
function sampleLine(
  plane: Float32Array,
  y: number,
  x: number,
  stepY: number,
  stepX: number,
  rowLength: number,
  channels: number,
  scale: number,
  out: Float32Array,
  to: number,
  end: number,
): number {
  let total = 0;
  for (; to < end; to += channels, y += stepY, x += stepX) {
    const value = interpolate(plane, y, x, rowLength, channels) * scale;
    out[to] = value;
    total += value;
  }
  return total;
}

function interpolate(plane: Float32Array, y: number, x: number, rowLength: number, channels: number): number {
  const above = y | 0;
  const before = x | 0;
  const from = above * rowLength + before * channels;
  const below = from + rowLength;
  const right = x - before;
  const left = plane[from]!;
  const leftBelow = plane[below]!;
  const top = left + (plane[from + channels]! - left) * right;
  const bottom = leftBelow + (plane[below + channels]! - leftBelow) * right;
  return top + (bottom - top) * (y - above);
}

const isOutside = (y: number, x: number, lastRow: number, lastColumn: number) =>
  y < 0 || y > lastRow || x < 0 || x > lastColumn;

function clamp(place: number, last: number): number {
  if (place > last) return last;
  if (place > 0) return place;
  return 0;
}
