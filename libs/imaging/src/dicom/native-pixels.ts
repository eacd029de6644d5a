import type { DataSet } from 'dicom-parser';
import type { SampleValues } from '../codecs/coded-frame.js';
import type { DicomFile } from './data-set.js';
import { PIXEL_ELEMENTS, type PixelModule } from './pixel-module.js';
import { allocateSamples, maskSamples } from './sample-values.js';

/**
 * Uncompressed pixels (PS3.5 8.1, 8.2): `[frames, rows, columns, samples]`, samples of a pixel together, masked to
 * the stored bits.
 *
 * @throws MedformerError INVALID_ARGUMENT for fewer bytes than the attributes promise.
 */
export function readNativePixels(dicom: DicomFile, pixels: PixelModule): SampleValues {
  const { data, refuse, syntax } = dicom;
  const { rows, columns, frames, samples, photometric, allocated } = pixels;
  const subsampled = photometric === 'YBR_FULL_422';
  if (subsampled && columns % 2 === 1) {
    throw refuse('(0028,0011) Columns', 'an even number for YBR_FULL_422', String(columns));
  }
  const count = frames * rows * columns * samples;
  const storedSamples = subsampled ? (count / 3) * 2 : count;
  const length = Math.ceil((storedSamples * allocated) / 8);
  const bytes = pixelBytes(data, length, refuse);
  if (syntax.bigEndian) swapWords(bytes, allocated, data.elements[PIXEL_ELEMENTS.integers]?.vr);
  if (allocated === 1) return unpackBits(bytes, count);
  const plain = viewOf(bytes.buffer as ArrayBuffer, storedSamples, pixels);
  maskSamples(plain, pixels);
  if (subsampled) return fullResolution(plain, allocateSamples(pixels, count));
  return pixels.planar ? interleaved(plain, pixels) : plain;
}

/** Float Pixel Data and Double Float Pixel Data (PS3.3 C.7.6.24, C.7.6.25). */
export function readFloatPixels(
  { data, refuse, syntax }: DicomFile,
  pixels: PixelModule,
): Float32Array | Float64Array {
  const double = data.elements[PIXEL_ELEMENTS.double] !== undefined;
  const count = pixels.frames * pixels.rows * pixels.columns * pixels.samples;
  const element = double ? PIXEL_ELEMENTS.double : PIXEL_ELEMENTS.float;
  const bytes = pixelBytes(data, count * (double ? 8 : 4), refuse, element);
  if (syntax.bigEndian) double ? Buffer.from(bytes.buffer).swap64() : Buffer.from(bytes.buffer).swap32();
  return double ? new Float64Array(bytes.buffer) : new Float32Array(bytes.buffer);
}

/** A copy with memory of its own, so that typed arrays may view it and values may be changed in place. */
function pixelBytes(
  data: DataSet,
  length: number,
  refuse: DicomFile['refuse'],
  tag: string = PIXEL_ELEMENTS.integers,
): Uint8Array<ArrayBuffer> {
  const element = data.elements[tag];
  const available = element ? Math.min(element.length, data.byteArray.length - element.dataOffset) : 0;
  if (!element || available < length) {
    const found = element ? `${available} bytes` : 'nothing';
    throw refuse(tag === PIXEL_ELEMENTS.integers ? '(7FE0,0010) PixelData' : tag, `${length} bytes`, found);
  }
  // One word more where the length is odd, for the swap of big-endian words.
  const bytes = new Uint8Array(length + (length % 2));
  const whole = Math.min(bytes.length, available);
  bytes.set((data.byteArray as Uint8Array).subarray(element.dataOffset, element.dataOffset + whole));
  return bytes;
}

/** Big-endian bytes in the order of this machine. Bytes in words of 16 bits (OW) are swapped too (PS3.5 annex A.3). */
function swapWords(bytes: Uint8Array<ArrayBuffer>, allocated: number, vr: string | undefined): void {
  const buffer = Buffer.from(bytes.buffer);
  if (allocated === 32) buffer.swap32();
  else if (allocated === 16 || vr === 'OW') buffer.swap16();
}

function viewOf(buffer: ArrayBuffer, count: number, { allocated, signed }: PixelModule): SampleValues {
  if (allocated === 8) return signed ? new Int8Array(buffer, 0, count) : new Uint8Array(buffer, 0, count);
  if (allocated === 16) return signed ? new Int16Array(buffer, 0, count) : new Uint16Array(buffer, 0, count);
  return signed ? new Int32Array(buffer, 0, count) : new Uint32Array(buffer, 0, count);
}

/** One bit a pixel, the lowest first; frames need not begin at a byte. */
function unpackBits(bytes: Uint8Array, count: number): Uint8Array {
  const values = new Uint8Array(count);
  for (let index = 0; index < count; index += 1) values[index] = (bytes[index >> 3]! >> (index & 7)) & 1;
  return values;
}

/** Two luminances and their common chrominances as two whole pixels (PS3.3 C.7.6.3.1.2). */
function fullResolution(pairs: SampleValues, values: SampleValues): SampleValues {
  for (let from = 0, to = 0; from < pairs.length; from += 4, to += 6) {
    values[to] = pairs[from]!;
    values[to + 3] = pairs[from + 1]!;
    values[to + 1] = pairs[from + 2]!;
    values[to + 4] = pairs[from + 2]!;
    values[to + 2] = pairs[from + 3]!;
    values[to + 5] = pairs[from + 3]!;
  }
  return values;
}

function interleaved(planes: SampleValues, pixels: PixelModule): SampleValues {
  const { rows, columns, frames, samples } = pixels;
  const values = allocateSamples(pixels, planes.length);
  const area = rows * columns;
  for (let frame = 0; frame < frames; frame += 1) {
    const begin = frame * area * samples;
    for (let sample = 0; sample < samples; sample += 1) {
      let to = begin + sample;
      const from = begin + sample * area;
      for (let index = 0; index < area; index += 1) {
        values[to] = planes[from + index]!;
        to += samples;
      }
    }
  }
  return values;
}
