import { CodecError, type CodedFrame, type DecodedFrame } from './coded-frame.js';

const HEADER_BYTES = 64;
const MAX_SEGMENTS = 15;

/**
 * RLE Lossless (PS3.5 annex G): one PackBits segment for each byte of a sample, the most significant first, for each
 * sample of a pixel.
 *
 * @throws CodecError for another number of segments, or segments that end early or outside the frame.
 */
export function decodeRle({ bytes, rows, columns, samples, allocated }: CodedFrame): DecodedFrame {
  const width = allocated / 8;
  const segments = readHeader(bytes, width * samples);
  const pixels = rows * columns;
  const planes = segments.map(([begin, end], index) => {
    const plane = new Uint8Array(pixels);
    unpackBits(bytes.subarray(begin, end), plane, index);
    return plane;
  });
  if (width === 1) return decoded(samples === 1 ? planes[0]! : interleave(planes), allocated);
  const count = pixels * samples;
  const values = width === 2 ? new Uint16Array(count) : new Uint32Array(count);
  for (let sample = 0; sample < samples; sample += 1) {
    const from = planes.slice(sample * width, (sample + 1) * width);
    if (width === 2) joinTwo(from[0]!, from[1]!, values, sample, samples);
    else joinFour(from, values, sample, samples);
  }
  return decoded(values, allocated);
}

function decoded(values: DecodedFrame['values'], bits: number): DecodedFrame {
  return { values, bits, signed: false, rgb: false };
}

function readHeader(bytes: Uint8Array, expected: number): [begin: number, end: number][] {
  if (bytes.length < HEADER_BYTES) {
    throw new CodecError(`an RLE header of ${HEADER_BYTES} bytes`, `${bytes.length} bytes`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const count = view.getUint32(0, true);
  if (count !== expected || count > MAX_SEGMENTS) {
    throw new CodecError(`${expected} RLE segments`, `${count}`);
  }
  const offsets = Array.from({ length: count }, (_, index) => view.getUint32(4 + 4 * index, true));
  return offsets.map((begin, index) => {
    const end = offsets[index + 1] ?? bytes.length;
    if (begin < HEADER_BYTES || end < begin || end > bytes.length) {
      throw new CodecError(`RLE segment ${index + 1} inside the frame`, `bytes ${begin} to ${end}`);
    }
    return [begin, end];
  });
}

function unpackBits(from: Uint8Array, to: Uint8Array, segment: number): void {
  let at = 0;
  let filled = 0;
  while (filled < to.length) {
    if (at >= from.length) {
      throw new CodecError(`${to.length} bytes in RLE segment ${segment + 1}`, `${filled}`);
    }
    const code = from[at]!;
    at += 1;
    if (code < 128) {
      const length = Math.min(code + 1, to.length - filled, from.length - at);
      // Short runs are the rule, and a call costs more than they do.
      if (length < 16) for (let index = 0; index < length; index += 1) to[filled + index] = from[at + index]!;
      else to.set(from.subarray(at, at + length), filled);
      at += code + 1;
      filled += length;
    } else if (code > 128) {
      if (at >= from.length) continue;
      const end = Math.min(filled + 257 - code, to.length);
      to.fill(from[at]!, filled, end);
      at += 1;
      filled = end;
    }
  }
}

function interleave(planes: readonly Uint8Array[]): Uint8Array {
  const values = new Uint8Array(planes.length * planes[0]!.length);
  for (const [sample, plane] of planes.entries()) {
    let to = sample;
    for (let index = 0; index < plane.length; index += 1) {
      values[to] = plane[index]!;
      to += planes.length;
    }
  }
  return values;
}

function joinTwo(
  high: Uint8Array,
  low: Uint8Array,
  values: Uint16Array | Uint32Array,
  sample: number,
  samples: number,
): void {
  let to = sample;
  for (let index = 0; index < high.length; index += 1) {
    values[to] = (high[index]! << 8) | low[index]!;
    to += samples;
  }
}

function joinFour(
  planes: readonly Uint8Array[],
  values: Uint16Array | Uint32Array,
  sample: number,
  samples: number,
): void {
  const [first, second, third, fourth] = planes as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  let to = sample;
  for (let index = 0; index < first.length; index += 1) {
    values[to] =
      ((first[index]! << 24) | (second[index]! << 16) | (third[index]! << 8) | fourth[index]!) >>> 0;
    to += samples;
  }
}
