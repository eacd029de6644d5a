import { Scratch } from './scratch.js';

const scratch = new Scratch(Float32Array);

/** Gaussian blur in every plane of an image, edges repeated; planes of a volume do not mix. */
export function blurPlanes(values: Float32Array, shape: readonly number[], sigma: number): void {
  const [height, width, channels] = shape.slice(-3) as [number, number, number];
  const weights = gaussian(sigma);
  const rowLength = width * channels;
  const size = height * rowLength;
  const padded = scratch.of(size + 2 * weights.length * rowLength);
  for (let start = 0; start < values.length; start += size) {
    blurColumns(values, start, size, rowLength, weights, padded);
    for (let row = start; row < start + size; row += rowLength)
      blurRow(values, row, rowLength, channels, weights, padded);
  }
}

/** Weights at the whole distances 0, 1, … up to 2.5 sigma and at least to 2; with both sides they sum to 1. */
function gaussian(sigma: number): Float64Array {
  const radius = Math.max(1, Math.ceil(2.5 * sigma));
  const weights = new Float64Array(Math.max(UNROLLED, radius) + 1);
  for (let distance = 0; distance <= radius; distance += 1)
    weights[distance] = Math.exp(-(distance ** 2) / (2 * sigma * sigma));
  const sum = weights.reduce((total, weight, distance) => total + (distance === 0 ? weight : 2 * weight), 0);
  return weights.map((weight) => weight / sum);
}

function blurColumns(
  values: Float32Array,
  start: number,
  size: number,
  rowLength: number,
  weights: Float64Array,
  padded: Float32Array,
): void {
  const margin = (weights.length - 1) * rowLength;
  padded.set(values.subarray(start, start + size), margin);
  for (let at = 0; at < margin; at += rowLength) {
    padded.copyWithin(at, margin, margin + rowLength);
    padded.copyWithin(margin + size + at, margin + size - rowLength, margin + size);
  }
  weigh(padded, margin, rowLength, weights, values, start, size);
}

function blurRow(
  values: Float32Array,
  start: number,
  rowLength: number,
  channels: number,
  weights: Float64Array,
  padded: Float32Array,
): void {
  const margin = (weights.length - 1) * channels;
  for (let i = 0; i < rowLength; i += 1) padded[margin + i] = values[start + i]!;
  for (let i = 0; i < margin; i += 1) {
    padded[i] = padded[margin + (i % channels)]!;
    padded[margin + rowLength + i] = padded[margin + rowLength - channels + (i % channels)]!;
  }
  weigh(padded, margin, channels, weights, values, start, rowLength);
}

/** Distances that each sum has without a loop: the blurs of the policies have two, some three. */
const UNROLLED = 2;

/**
 * Weighted sums of the neighbours `stride` apart, for `count` numbers from `from` on. They are 64-bit, so that rounding
 * takes none above 1.
 */
function weigh(
  source: Float32Array,
  from: number,
  stride: number,
  weights: Float64Array,
  out: Float32Array,
  to: number,
  count: number,
): void {
  const radius = weights.length - 1;
  const [middle, one, two] = [weights[0]!, weights[1]!, weights[2]!];
  for (let i = 0; i < count; i += 1) {
    const at = from + i;
    let value =
      source[at]! * middle +
      (source[at - stride]! + source[at + stride]!) * one +
      (source[at - 2 * stride]! + source[at + 2 * stride]!) * two;
    for (let distance = UNROLLED + 1; distance <= radius; distance += 1)
      value += (source[at - distance * stride]! + source[at + distance * stride]!) * weights[distance]!;
    out[to + i] = value;
  }
}
