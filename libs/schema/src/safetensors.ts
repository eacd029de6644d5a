import { badInput } from './errors.js';

/** dtype names of the safetensors format; only those this project stores. */
export type SafetensorsType = 'F32' | 'I32' | 'U8' | 'U16';

export interface StoredTensor {
  dtype: SafetensorsType;
  shape: number[];
  /** Little-endian, row-major; exactly product(shape) elements. */
  data: Float32Array | Int32Array | Uint8Array | Uint16Array;
}

export interface Safetensors {
  tensors: Map<string, StoredTensor>;
  metadata: Record<string, string>;
}

/** What is written; a tensor's elements may come in pieces, one behind the other. */
export interface WrittenSafetensors {
  tensors: Map<string, Omit<StoredTensor, 'data'> & { data: StoredTensor['data'] | StoredTensor['data'][] }>;
  metadata: Record<string, string>;
}

const BYTES: Record<SafetensorsType, number> = { F32: 4, I32: 4, U8: 1, U16: 2 };
const MAX_HEADER_BYTES = 100 * 1024 * 1024;

/**
 * Bytes in the safetensors format (huggingface/safetensors, README "Format"): u64 header length, JSON header,
 * tensor bytes. Tensors stand in order of element size then name, and the header is padded to 8 bytes, so that equal content
 * gives equal bytes and every tensor is aligned to its element.
 */
export function encodeSafetensors({ tensors, metadata }: WrittenSafetensors): Buffer {
  const names = [...tensors.keys()].sort((x, y) => {
    const bySize = BYTES[tensors.get(y)!.dtype] - BYTES[tensors.get(x)!.dtype];
    return bySize || (x < y ? -1 : 1);
  });
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
  const bodies: Uint8Array[] = [];
  let offset = 0;
  for (const name of names) {
    const { dtype, shape, data } = tensors.get(name)!;
    const begin = offset;
    for (const piece of Array.isArray(data) ? data : [data]) {
      bodies.push(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
      offset += piece.byteLength;
    }
    header[name] = { dtype, shape, data_offsets: [begin, offset] };
  }
  let json = Buffer.from(JSON.stringify(header));
  json = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, ...bodies]);
}

/** Where a tensor's bytes are in a file, from the file's first byte on. */
export interface PlacedTensor {
  dtype: SafetensorsType;
  shape: number[];
  begin: number;
  end: number;
}

/** How many bytes a file's header takes with the length before it; of `bytes` the first 8 are read. */
export function safetensorsHeaderBytes(bytes: Uint8Array, fileBytes: number, file: string): number {
  const refuse = (expected: string, found: string) =>
    badInput({ file, field: 'header length', expected, found });
  if (bytes.byteLength < 8) throw refuse('at least 8 bytes', `${bytes.byteLength} bytes`);
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (headerBytes > BigInt(Math.min(MAX_HEADER_BYTES, fileBytes - 8))) {
    throw refuse(`at most ${fileBytes - 8} bytes`, `${headerBytes} bytes`);
  }
  return 8 + Number(headerBytes);
}

/**
 * What a file of so many bytes says of its tensors.
 * @param bytes the file's first ones, its header whole
 * @throws MedformerError INVALID_ARGUMENT naming `file` for any length, dtype or offset that does not fit.
 */
export function readSafetensorsHeader(
  bytes: Uint8Array,
  fileBytes: number,
  file: string,
): { tensors: Map<string, PlacedTensor>; metadata: Record<string, string> } {
  const refuse = (field: string, expected: string, found: string) =>
    badInput({ file, field, expected, found });
  const bodyStart = safetensorsHeaderBytes(bytes, fileBytes, file);
  let header: Record<string, { dtype: SafetensorsType; shape: number[]; data_offsets: [number, number] }>;
  let metadata: Record<string, string> = {};
  try {
    const { __metadata__, ...entries } = JSON.parse(
      Buffer.from(bytes.subarray(8, bodyStart)).toString('utf8'),
    );
    header = entries;
    metadata = __metadata__ ?? {};
  } catch (cause) {
    throw badInput({ file, field: 'header', expected: 'a JSON object', found: 'something else' }, { cause });
  }
  const tensors = new Map<string, PlacedTensor>();
  for (const [name, entry] of Object.entries(header)) {
    const size = BYTES[entry?.dtype];
    if (size === undefined)
      throw refuse(`${name}.dtype`, Object.keys(BYTES).join(' or '), String(entry?.dtype));
    const [begin, end] = entry.data_offsets ?? [-1, -1];
    const elements = (entry.shape ?? []).reduce((product, edge) => product * edge, 1);
    const fits = Number.isSafeInteger(begin) && begin >= 0 && end - begin === elements * size;
    if (!fits || bodyStart + end > fileBytes) {
      throw refuse(`${name}.data_offsets`, `${elements * size} bytes within the file`, `[${begin}, ${end}]`);
    }
    const { dtype, shape } = entry;
    tensors.set(name, { dtype, shape, begin: bodyStart + begin, end: bodyStart + end });
  }
  return { tensors, metadata };
}

/**
 * Reads safetensors bytes; the tensors are views on `bytes` where alignment allows.
 * @throws MedformerError INVALID_ARGUMENT naming `file` for any length, dtype or offset that does not fit.
 */
export function decodeSafetensors(bytes: Uint8Array, file: string): Safetensors {
  const { tensors: placed, metadata } = readSafetensorsHeader(bytes, bytes.byteLength, file);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, { dtype, shape, begin, end }] of placed) {
    // Not a subarray: a Buffer's slices are no copies.
    const data = view(new Uint8Array(bytes.buffer, bytes.byteOffset + begin, end - begin), dtype);
    tensors.set(name, { dtype, shape, data });
  }
  return { tensors, metadata };
}

function view(bytes: Uint8Array, dtype: SafetensorsType): StoredTensor['data'] {
  if (dtype === 'U8') return bytes;
  const aligned = bytes.byteOffset % BYTES[dtype] === 0 ? bytes : bytes.slice();
  const count = aligned.byteLength / BYTES[dtype];
  if (dtype === 'F32') return new Float32Array(aligned.buffer, aligned.byteOffset, count);
  if (dtype === 'I32') return new Int32Array(aligned.buffer, aligned.byteOffset, count);
  return new Uint16Array(aligned.buffer, aligned.byteOffset, count);
}
