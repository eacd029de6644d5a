import { clamp } from './clamp.js';
import { Scratch } from './scratch.js';

const scratch = new Scratch(Float32Array);

/** Gaussian blur in every plane of an image, edges repeated; planes of a volume do not mix. */
export function blurPlanes(values: Float32Array, shape: readonly number[], sigma: number): void {
  const [height, width, channels] = shape.slice(-3) as [number, number, number];
  const weights = gaussian(sigma);
  const rowLength = width * channels;
  const padded = scratch.of(height * rowLength + 2 * weights.length * channels);
  for (let start = 0; start < values.length; start += height * rowLength) {
    const plane = values.subarray(start, start + height * rowLength);
    blurColumns(plane, height, rowLength, weights, padded);
    blurRows(plane, rowLength, channels, weights, padded);
  }
}

/** Weights at the whole distances 0, 1, … up to 2.5 sigma; with both sides they sum to 1. */
function gaussian(sigma: number): Float64Array {
  const radius = Math.max(1, Math.ceil(2.5 * sigma));
  const weights = Float64Array.from({ length: radius + 1 }, (_, distance) =>
    Math.exp(-(distance ** 2) / (2 * sigma * sigma)),
  );
  const sum = weights.reduce((total, weight, distance) => total + (distance === 0 ? weight : 2 * weight), 0);
  return weights.map((weight) => weight / sum);
}

/** Down the columns, whole rows at a time, so that memory is read in order. */
function blurColumns(
  plane: Float32Array,
  height: number,
  rowLength: number,
  weights: Float64Array,
  source: Float32Array,
): void {
  source.set(plane);
  for (let r = 0; r < height; r += 1) {
    const to = r * rowLength;
    for (let i = 0; i < rowLength; i += 1) plane[to + i] = source[to + i]! * weights[0]!;
    for (let distance = 1; distance < weights.length; distance += 1) {
      const weight = weights[distance]!;
      const above = Math.max(0, r - distance) * rowLength;
      const below = Math.min(height - 1, r + distance) * rowLength;
      for (let i = 0; i < rowLength; i += 1)
        plane[to + i]! += (source[above + i]! + source[below + i]!) * weight;
    }
  }
}

/** Along the rows; the cut at 1 takes off what rounding adds. */
function blurRows(
  plane: Float32Array,
  rowLength: number,
  channels: number,
  weights: Float64Array,
  line: Float32Array,
): void {
  const radius = weights.length - 1;
  const margin = radius * channels;
  for (let start = 0; start < plane.length; start += rowLength) {
    for (let i = 0; i < margin; i += 1) {
      line[i] = plane[start + (i % channels)]!;
      line[margin + rowLength + i] = plane[start + rowLength - channels + (i % channels)]!;
    }
    for (let i = 0; i < rowLength; i += 1) line[margin + i] = plane[start + i]!;
    for (let i = 0; i < rowLength; i += 1) {
      const middle = margin + i;
      let value = line[middle]! * weights[0]!;
      for (let distance = 1, offset = channels; distance <= radius; distance += 1, offset += channels)
        value += (line[middle - offset]! + line[middle + offset]!) * weights[distance]!;
      plane[start + i] = clamp(value, 1);
    }
  }
}
