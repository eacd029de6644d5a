import { gunzipSync, constants as zlib } from 'node:zlib';
import { badInput, type MedformerError } from '@medformer/schema';
import { isCompressed, isNIFTI, type NIFTI1, type NIFTI2, readHeader } from 'nifti-reader-js';
import { MAX_IMAGE_BYTES, refuseNonFinite, type Voxels, type VoxelValues } from '../voxels.js';
import { closestToRas, niftiAffine } from './nifti-orientation.js';

type Header = NIFTI1 | NIFTI2;
type Reader = (view: DataView, at: number, littleEndian: boolean) => number;
type Refuse = (field: string, expected: string, found: string, cause?: unknown) => MedformerError;

interface DataType {
  bytes: number;
  read: Reader;
  allocate: (length: number) => VoxelValues;
}

/** By NIfTI's datatype code. 64-bit integers become float64. */
const DATA_TYPES: Readonly<Record<number, DataType>> = {
  2: { bytes: 1, read: (view, at) => view.getUint8(at), allocate: (n) => new Uint8Array(n) },
  4: { bytes: 2, read: (view, at, le) => view.getInt16(at, le), allocate: (n) => new Int16Array(n) },
  8: { bytes: 4, read: (view, at, le) => view.getInt32(at, le), allocate: (n) => new Int32Array(n) },
  16: { bytes: 4, read: (view, at, le) => view.getFloat32(at, le), allocate: (n) => new Float32Array(n) },
  64: { bytes: 8, read: (view, at, le) => view.getFloat64(at, le), allocate: (n) => new Float64Array(n) },
  256: { bytes: 1, read: (view, at) => view.getInt8(at), allocate: (n) => new Int8Array(n) },
  512: { bytes: 2, read: (view, at, le) => view.getUint16(at, le), allocate: (n) => new Uint16Array(n) },
  768: { bytes: 4, read: (view, at, le) => view.getUint32(at, le), allocate: (n) => new Uint32Array(n) },
  1024: {
    bytes: 8,
    read: (view, at, le) => Number(view.getBigInt64(at, le)),
    allocate: (n) => new Float64Array(n),
  },
  1280: {
    bytes: 8,
    read: (view, at, le) => Number(view.getBigUint64(at, le)),
    allocate: (n) => new Float64Array(n),
  },
};

/** Enough compressed bytes to hold a header, and what they may inflate to. */
const HEADER_PROBE_BYTES = 4096;
const DEFLATE_LIMIT = 1032;
/** After the voxels a file may end in padding, not in more than this. */
const TRAILING_BYTES = 65_536;

/**
 * Decodes a single-file NIfTI-1 or NIfTI-2 image (.nii, .nii.gz; the NIfTI-1 standard, nifti1.h): one volume, or one
 * slice where the third axis has length 1. The axes are flipped and permuted to the closest of right, anterior,
 * superior (as nibabel's `as_closest_canonical`), then ordered depth, height, width. Values are scaled by
 * `scl_slope` and `scl_inter` to float32 where the header asks for it.
 *
 * @throws MedformerError INVALID_ARGUMENT, before the voxels are allocated wherever the header tells.
 */
export function decodeNifti(bytes: Uint8Array, file: string): Voxels {
  const refuse: Refuse = (field, expected, found, cause) =>
    badInput({ file, field, expected, found }, { cause });
  const compressed = bytes.length >= 18 && isCompressed(arrayBufferOf(bytes.subarray(0, 8)));
  const header = parseHeader(
    compressed ? probe(bytes, refuse) : bytes.subarray(0, HEADER_PROBE_BYTES),
    refuse,
  );
  const [nx, ny, nz] = dimensions(header, refuse);
  const type = DATA_TYPES[header.datatypeCode];
  if (!type)
    throw refuse('datatype', `one of ${Object.keys(DATA_TYPES).join(', ')}`, String(header.datatypeCode));
  const dataEnd = header.vox_offset + nx * ny * nz * type.bytes;
  if (nx * ny * nz * Math.max(4, type.bytes) > MAX_IMAGE_BYTES) {
    throw refuse('dim', `at most ${MAX_IMAGE_BYTES} bytes of voxels`, `${nx} x ${ny} x ${nz}`);
  }
  if (dataEnd > bytes.length * (compressed ? DEFLATE_LIMIT : 1)) {
    throw refuse('voxels', `${dataEnd} bytes for ${nx} x ${ny} x ${nz}`, `a file of ${bytes.length} bytes`);
  }
  const whole = compressed ? gunzip(bytes, dataEnd + TRAILING_BYTES, refuse) : bytes;
  if (whole.length < dataEnd) throw refuse('voxels', `${dataEnd} bytes`, `${whole.length} bytes`);
  const voxels = reorient(header, whole, [nx, ny, nz], type);
  refuseNonFinite(voxels, file);
  return voxels;
}

function parseHeader(start: Uint8Array, refuse: Refuse): Header {
  const buffer = arrayBufferOf(start);
  if (start.length < 348 || !isNIFTI(buffer)) {
    throw refuse(
      'header',
      'a NIfTI-1 or NIfTI-2 header of a single-file image',
      `${start.length} other bytes`,
    );
  }
  try {
    const header = readHeader(buffer);
    if (Number.isSafeInteger(header.vox_offset) && header.vox_offset >= 348) return header;
    throw refuse('vox_offset', 'a whole number from 348', String(header.vox_offset));
  } catch (cause) {
    if ((cause as Error).name === 'MedformerError') throw cause;
    throw refuse('header', 'a NIfTI-1 or NIfTI-2 header', 'one that cannot be read', cause);
  }
}

function dimensions(header: Header, refuse: Refuse): [number, number, number] {
  const [rank = 0, ...edges] = header.dims;
  if (rank < 2 || rank > 7) throw refuse('dim[0]', '2 or 3 dimensions', String(rank));
  const [nx = 1, ny = 1, nz = 1, ...more] = edges.slice(0, rank);
  const beyond = more.findIndex((edge) => edge !== 1);
  if (beyond >= 0) throw refuse(`dim[${beyond + 4}]`, '1 (a single volume)', String(more[beyond]));
  for (const [axis, edge] of [nx, ny, nz].entries()) {
    if (!Number.isSafeInteger(edge) || edge < 1 || edge > 65_535) {
      throw refuse(`dim[${axis + 1}]`, 'a length from 1 to 65535', String(edge));
    }
  }
  return [nx, ny, nz];
}

function reorient(
  header: Header,
  bytes: Uint8Array,
  size: readonly [number, number, number],
  { bytes: width, read, allocate }: DataType,
): Voxels {
  const { sources, flipped, spacingMm } = closestToRas(niftiAffine(header));
  const slope = Number.isFinite(header.scl_slope) && header.scl_slope !== 0 ? header.scl_slope : 1;
  const intercept = Number.isFinite(header.scl_inter) && header.scl_slope !== 0 ? header.scl_inter : 0;
  const scaled = slope !== 1 || intercept !== 0;
  const count = size[0] * size[1] * size[2];
  const values = scaled ? new Float32Array(count) : allocate(count);

  const strides = [1, size[0], size[0] * size[1]];
  const [x, y, z] = sources.map((source, axis) => {
    const stride = strides[source]!;
    const edge = size[source]!;
    return flipped[axis]
      ? { edge, step: -stride, start: (edge - 1) * stride }
      : { edge, step: stride, start: 0 };
  }) as [Axis, Axis, Axis];
  const view = new DataView(bytes.buffer, bytes.byteOffset + header.vox_offset);
  const { littleEndian } = header;
  let index = 0;
  for (let k = 0; k < z.edge; k += 1) {
    for (let j = 0; j < y.edge; j += 1) {
      let from = z.start + k * z.step + y.start + j * y.step + x.start;
      for (let i = 0; i < x.edge; i += 1) {
        const value = read(view, from * width, littleEndian);
        values[index] = scaled ? value * slope + intercept : value;
        index += 1;
        from += x.step;
      }
    }
  }
  const plane = { shape: [y.edge, x.edge, 1], values };
  const [dx, dy, dz] = spacingMm;
  const known = spacingMm.every((edge) => edge > 0 && Number.isFinite(edge));
  if (z.edge === 1) return known ? { ...plane, spacingMm: [dy, dx] } : plane;
  const volume = { shape: [z.edge, ...plane.shape], values };
  return known ? { ...volume, spacingMm: [dz, dy, dx] } : volume;
}

interface Axis {
  edge: number;
  step: number;
  start: number;
}

/** The first bytes inside a gzip file; a cut-off end is no fault here. */
function probe(bytes: Uint8Array, refuse: Refuse): Buffer {
  try {
    return gunzipSync(bytes.subarray(0, HEADER_PROBE_BYTES), { finishFlush: zlib.Z_SYNC_FLUSH }).subarray(
      0,
      HEADER_PROBE_BYTES,
    );
  } catch (cause) {
    throw refuse('gzip', 'gzip data', `damaged data (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
}

function gunzip(bytes: Uint8Array, maxOutputLength: number, refuse: Refuse): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE')
      throw refuse('gzip', `at most ${maxOutputLength} bytes inside`, 'more');
    throw refuse('gzip', 'a whole gzip file', `damaged or truncated data (${code})`, cause);
  }
}

function arrayBufferOf(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
