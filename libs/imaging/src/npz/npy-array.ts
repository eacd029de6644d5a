import { badInput } from '@medformer/schema';
import { machineWords } from '../machine-words.js';
import type { VoxelValues } from '../voxels.js';
import { MAX_NPY_HEADER_BYTES, type NpyHeader, npyHeaderBytes, parseNpyHeader } from './npy-header.js';
import type { ZipEntry } from './zip-archive.js';

export interface NpyArray {
  shape: number[];
  /** Row-major in native byte order; 64-bit integers as float64, refused where that is not exact. */
  values: VoxelValues;
}

/** A Fortran-ordered or big-endian array must be whole in memory before its first row is known. */
const MAX_WHOLE_ARRAY_BYTES = 1024 * 1024 * 1024;

/** Reads only so much of the entry as its header needs. */
export async function readNpyHeader(entry: ZipEntry, file: string): Promise<NpyHeader> {
  for await (const header of headerThenData(entry, file)) {
    return header as NpyHeader;
  }
  throw new Error('an iteration without its first item');
}

/** The whole array. @throws MedformerError INVALID_ARGUMENT above `maxBytes`, before anything is allocated. */
export async function readNpyArray(
  entry: ZipEntry,
  file: string,
  maxBytes = MAX_WHOLE_ARRAY_BYTES,
): Promise<NpyArray> {
  if (entry.bytes > maxBytes) {
    throw badInput({
      file,
      field: entry.name,
      expected: `at most ${maxBytes} bytes`,
      found: `${entry.bytes} bytes`,
    });
  }
  let header: NpyHeader | undefined;
  let bytes: Buffer = Buffer.alloc(0);
  let filled = 0;
  for await (const part of headerThenData(entry, file)) {
    if (!(part instanceof Uint8Array)) {
      header = part;
    } else if (filled === 0 && part.length === entry.bytes - header!.dataOffset) {
      bytes = part;
      filled = part.length;
    } else {
      if (filled === 0) bytes = Buffer.alloc(entry.bytes - header!.dataOffset);
      bytes.set(part, filled);
      filled += part.length;
    }
  }
  return decodeNpy(header!, bytes, file, entry.name);
}

/**
 * The rows of a uint8 array, i.e. its parts along the first axis, one after the other without holding the array.
 * Every row has its own memory.
 */
export async function* readNpyRows(entry: ZipEntry, file: string): AsyncIterable<Uint8Array> {
  let rowBytes = 0;
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const part of headerThenData(entry, file)) {
    if (!(part instanceof Uint8Array)) {
      if (part.fortranOrder) {
        yield* rowsOf(await readNpyArray(entry, file));
        return;
      }
      rowBytes = part.shape.slice(1).reduce((product, edge) => product * edge, 1);
      continue;
    }
    pending.push(part);
    pendingBytes += part.length;
    if (pendingBytes < rowBytes) continue;
    const bytes = Buffer.concat(pending);
    let at = 0;
    for (; at + rowBytes <= bytes.length && rowBytes > 0; at += rowBytes)
      yield bytes.subarray(at, at + rowBytes);
    pending = [bytes.subarray(at)];
    pendingBytes = bytes.length - at;
  }
}

function* rowsOf({ shape, values }: NpyArray): Iterable<Uint8Array> {
  const rowBytes = shape.slice(1).reduce((product, edge) => product * edge, 1);
  for (let row = 0; row < shape[0]!; row += 1) {
    yield (values as Uint8Array).subarray(row * rowBytes, (row + 1) * rowBytes);
  }
}

/** First the header, then the data's bytes piece by piece; their count is checked against the header first. */
async function* headerThenData(entry: ZipEntry, file: string): AsyncIterable<NpyHeader | Buffer> {
  let start: Buffer = Buffer.alloc(0);
  let header: NpyHeader | undefined;
  for await (const piece of entry.read()) {
    if (header) {
      yield piece;
      continue;
    }
    start = start.length === 0 ? piece : Buffer.concat([start, piece]);
    const wanted = start.length < 12 ? 12 : npyHeaderBytes(start, file, entry.name);
    if (start.length < wanted) continue;
    header = parseNpyHeader(start.subarray(0, wanted), file, entry.name);
    const declared = header.shape.reduce((product, edge) => product * edge, header.elementBytes);
    if (declared !== entry.bytes - wanted) {
      throw badInput({
        file,
        field: entry.name,
        expected: `${declared} bytes for shape (${header.shape.join(', ')}) of ${header.type}`,
        found: `${entry.bytes - wanted} bytes`,
      });
    }
    yield header;
    if (start.length > wanted) yield start.subarray(wanted);
  }
  if (!header) {
    const found = `${start.length} bytes`;
    throw badInput({
      file,
      field: entry.name,
      expected: `a header within ${MAX_NPY_HEADER_BYTES} bytes`,
      found,
    });
  }
}

function decodeNpy(header: NpyHeader, data: Buffer, file: string, field: string): NpyArray {
  const { type, shape, elementBytes, bigEndian } = header;
  // The data may be a view of the file's own bytes.
  const { buffer, byteOffset } = machineWords(data, elementBytes, bigEndian);
  const count = data.length / elementBytes;
  const values = (() => {
    switch (type) {
      case 'u1':
      case 'b1':
        return new Uint8Array(buffer, byteOffset, count);
      case 'i1':
        return new Int8Array(buffer, byteOffset, count);
      case 'u2':
        return new Uint16Array(buffer, byteOffset, count);
      case 'i2':
        return new Int16Array(buffer, byteOffset, count);
      case 'u4':
        return new Uint32Array(buffer, byteOffset, count);
      case 'i4':
        return new Int32Array(buffer, byteOffset, count);
      case 'f4':
        return new Float32Array(buffer, byteOffset, count);
      case 'f8':
        return new Float64Array(buffer, byteOffset, count);
      case 'u8':
        return exact(new BigUint64Array(buffer, byteOffset, count), file, field);
      case 'i8':
        return exact(new BigInt64Array(buffer, byteOffset, count), file, field);
    }
  })();
  return { shape, values: header.fortranOrder ? toRowMajor(values, shape) : values };
}

function exact(integers: BigInt64Array | BigUint64Array, file: string, field: string): Float64Array {
  const values = new Float64Array(integers.length);
  for (const [index, integer] of integers.entries()) {
    values[index] = Number(integer);
    if (!Number.isSafeInteger(values[index])) {
      throw badInput({ file, field, expected: 'integers below 2^53', found: String(integer) });
    }
  }
  return values;
}

/** From first-axis-fastest to last-axis-fastest. */
function toRowMajor(values: VoxelValues, shape: readonly number[]): VoxelValues {
  const result = values.slice();
  const strides: number[] = [];
  for (const axis of shape.keys()) strides[axis] = axis === 0 ? 1 : strides[axis - 1]! * shape[axis - 1]!;
  const place = shape.map(() => 0);
  let from = 0;
  for (let index = 0; index < values.length; index += 1) {
    result[index] = values[from] as number;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      place[axis]! += 1;
      from += strides[axis]!;
      if (place[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      place[axis] = 0;
    }
  }
  return result;
}
