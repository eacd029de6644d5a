import { gunzipSync, gzipSync } from 'node:zlib';
import { badInput } from '@medformer/schema';
import type { Tally } from '../tally.js';

const MAX_UNPACKED_BYTES = 4 * 2 ** 30 - 1;

interface Layout {
  headerBytes: number;
  /** Text and unused fields, which carry no geometry and no meaning of values. */
  cleared: readonly (readonly [name: string, offset: number, bytes: number])[];
  read(header: DataView, littleEndian: boolean): { dim: number[]; bitpix: number; voxOffset: number };
  writeOffset(header: DataView, offset: number, littleEndian: boolean): void;
}

const NIFTI1: Layout = {
  headerBytes: 348,
  cleared: [
    ['data_type', 4, 10],
    ['db_name', 14, 18],
    ['extents', 32, 4],
    ['session_error', 36, 2],
    ['glmax', 140, 8],
    ['descrip', 148, 80],
    ['aux_file', 228, 24],
    ['intent_name', 328, 16],
  ],
  read: (header, little) => ({
    dim: Array.from({ length: 8 }, (_, axis) => header.getInt16(40 + 2 * axis, little)),
    bitpix: header.getInt16(72, little),
    voxOffset: header.getFloat32(108, little),
  }),
  writeOffset: (header, offset, little) => header.setFloat32(108, offset, little),
};

const NIFTI2: Layout = {
  headerBytes: 540,
  cleared: [
    ['descrip', 240, 80],
    ['aux_file', 320, 24],
    ['intent_name', 508, 16],
    ['unused_str', 525, 15],
  ],
  read: (header, little) => ({
    dim: Array.from({ length: 8 }, (_, axis) => Number(header.getBigInt64(16 + 8 * axis, little))),
    bitpix: header.getInt16(14, little),
    voxOffset: Number(header.getBigInt64(168, little)),
  }),
  writeOffset: (header, offset, little) => header.setBigInt64(168, BigInt(offset), little),
};

/**
 * A NIfTI file (.nii, .nii.gz) with its text fields empty, without extensions and without what follows the voxels; geometry
 * and voxels byte for byte. The names inside a gzip wrapper go with the wrapper.
 *
 * @throws MedformerError INVALID_ARGUMENT, also for Analyze 7.5, whose header has fields for the patient
 */
export function cleanNifti(bytes: Uint8Array, tally: Tally, file: string): Buffer {
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const plain = packed ? unpack(bytes, file) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { header, voxels, layout, little } = split(plain, undefined, tally, file);
  const offset = Math.ceil((layout.headerBytes + 4) / 16) * 16;
  layout.writeOffset(viewOf(header), offset, little);
  const clean = Buffer.concat([header, Buffer.alloc(offset - layout.headerBytes), voxels]);
  return packed ? gzipSync(clean) : clean;
}

/** The same for a pair of .hdr and .img. */
export function cleanNiftiPair(
  hdr: Uint8Array,
  img: Uint8Array,
  tally: Tally,
  file: string,
): { hdr: Buffer; img: Buffer } {
  const plain = (bytes: Uint8Array) =>
    bytes[0] === 0x1f && bytes[1] === 0x8b ? unpack(bytes, file) : Buffer.from(bytes);
  const { header, voxels, layout, little } = split(plain(hdr), plain(img), tally, file);
  layout.writeOffset(viewOf(header), 0, little);
  return { hdr: Buffer.concat([header, Buffer.alloc(4)]), img: voxels };
}

function split(plain: Buffer, image: Buffer | undefined, tally: Tally, file: string) {
  const refuse = (field: string, expected: string, found: string) =>
    badInput({ file, field, expected, found });
  const { layout, little, single } = layoutOf(plain, refuse);
  if (single === (image !== undefined)) {
    throw refuse('magic', single ? 'one file' : 'a header beside its .img', 'the other form');
  }
  const header = Buffer.from(plain.subarray(0, layout.headerBytes));
  const { dim, bitpix, voxOffset } = layout.read(viewOf(header), little);
  const [axes = 0, ...edges] = dim;
  const used = edges.slice(0, Math.max(0, axes)).map((edge) => Math.max(1, edge));
  const length = Math.ceil((used.reduce((product, edge) => product * edge, 1) * bitpix) / 8);
  const source = image ?? plain;
  if (axes < 1 || axes > 7 || bitpix < 1 || !(voxOffset >= 0) || !(voxOffset + length <= source.length)) {
    throw refuse('dim', 'sizes that fit the file', `${used.join(' x ')} of ${bitpix} bits`);
  }
  const begin = image || voxOffset >= layout.headerBytes ? voxOffset : layout.headerBytes + 4;
  for (const [name, offset, bytes] of layout.cleared) {
    const field = header.subarray(offset, offset + bytes);
    if (field.some((byte) => byte !== 0)) tally.add(name, 'Z');
    field.fill(0);
  }
  if (begin > layout.headerBytes + 4 && !image && plain[layout.headerBytes] !== 0)
    tally.add('extension', 'X');
  if (source.length > begin + length) tally.add('trailing bytes', 'X');
  return { header, voxels: source.subarray(begin, begin + length), layout, little };
}

function layoutOf(
  plain: Buffer,
  refuse: (field: string, expected: string, found: string) => Error,
): { layout: Layout; little: boolean; single: boolean } {
  for (const [layout, at, magics] of [
    [NIFTI1, 344, ['n+1\0', 'ni1\0']],
    [NIFTI2, 4, ['n+2\0', 'ni2\0']],
  ] as const) {
    if (plain.length < layout.headerBytes + 4) continue;
    const magic = magics.indexOf(plain.toString('latin1', at, at + 4) as never);
    if (magic < 0) continue;
    return { layout, little: plain.readInt32LE(0) === layout.headerBytes, single: magic === 0 };
  }
  throw refuse(
    'magic',
    'NIfTI-1 or NIfTI-2',
    'another file, perhaps Analyze 7.5, whose header names the patient',
  );
}

function unpack(bytes: Uint8Array, file: string): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_UNPACKED_BYTES });
  } catch (cause) {
    const what = { file, field: 'gzip', expected: 'a whole stream of less than 4 GiB', found: 'another' };
    throw badInput(what, { cause });
  }
}

function viewOf(header: Buffer): DataView {
  return new DataView(header.buffer, header.byteOffset, header.length);
}
