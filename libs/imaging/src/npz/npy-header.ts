import { badInput } from '@medformer/schema';

/** The element types that are read, as numpy writes them without the byte order. */
export const NPY_TYPES = ['u1', 'i1', 'b1', 'u2', 'i2', 'u4', 'i4', 'u8', 'i8', 'f4', 'f8'] as const;
export type NpyType = (typeof NPY_TYPES)[number];

export interface NpyHeader {
  type: NpyType;
  bigEndian: boolean;
  fortranOrder: boolean;
  shape: number[];
  /** Of one element. */
  elementBytes: number;
  /** From the start of the file to the first element. */
  dataOffset: number;
}

/** Of the header's dictionary; numpy's own reader stops at 10,000 characters. */
export const MAX_NPY_HEADER_BYTES = 65_536;
const MAGIC = '\x93NUMPY';

/** How many bytes, from the start of the file, hold the whole header. `start` holds at least 12 bytes. */
export function npyHeaderBytes(start: Buffer, file: string, field: string): number {
  const refuse = (expected: string, found: string) => badInput({ file, field, expected, found });
  if (start.length < 12 || start.toString('latin1', 0, 6) !== MAGIC) {
    throw refuse('the numpy array format (.npy)', `${start.length} bytes of something else`);
  }
  const version = start.readUInt8(6);
  if (version < 1 || version > 3) throw refuse('.npy version 1, 2 or 3', `version ${version}`);
  const length = version === 1 ? 10 + start.readUInt16LE(8) : 12 + start.readUInt32LE(8);
  if (length > MAX_NPY_HEADER_BYTES) {
    throw refuse(`a header of at most ${MAX_NPY_HEADER_BYTES} bytes`, `${length} bytes declared`);
  }
  return length;
}

/**
 * Parses a .npy header (numpy's format.py, versions 1 to 3). The dictionary is matched, never evaluated, and arrays
 * of objects are refused: they hold pickles, which run code when they are loaded.
 *
 * @param header exactly the bytes that `npyHeaderBytes` counted.
 * @throws MedformerError INVALID_ARGUMENT
 */
export function parseNpyHeader(header: Buffer, file: string, field: string): NpyHeader {
  const refuse = (expected: string, found: string) => badInput({ file, field, expected, found });
  const dictionary = header.toString('latin1', header.readUInt8(6) === 1 ? 10 : 12).trim();
  const descr = /'descr': *('[^']*'|\[.*\])/.exec(dictionary)?.[1];
  const order = /'fortran_order': *(True|False)/.exec(dictionary)?.[1];
  const shape = /'shape': *\(([\d, ]*)\)/.exec(dictionary)?.[1];
  if (!dictionary.startsWith('{') || descr === undefined || order === undefined || shape === undefined) {
    throw refuse('a header with descr, fortran_order and shape', JSON.stringify(dictionary.slice(0, 80)));
  }
  const [, mark = '', type = ''] = /^'([<>|=])?(\w+)'$/.exec(descr) ?? [];
  if (type.startsWith('O')) {
    throw refuse('a numeric dtype', `dtype ${descr}: objects are Python pickles, which are never loaded`);
  }
  if (!(NPY_TYPES as readonly string[]).includes(type)) {
    throw refuse(`a dtype of ${NPY_TYPES.join(', ')}`, `dtype ${descr.slice(0, 80)}`);
  }
  const edges = shape.split(',').flatMap((edge) => (edge.trim() === '' ? [] : [Number(edge)]));
  if (!Number.isSafeInteger(edges.reduce((product, edge) => product * edge, 1) * 8)) {
    throw refuse('a shape below 2^53 bytes', `(${shape})`);
  }
  return {
    type: type as NpyType,
    bigEndian: mark === '>',
    fortranOrder: order === 'True',
    shape: edges,
    elementBytes: Number(type.slice(1)),
    dataOffset: header.length,
  };
}
