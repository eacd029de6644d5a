import { gunzipSync, constants as zlib } from 'node:zlib';
import type { MedformerError } from '@medformer/schema';
import { isCompressed, isNIFTI, type NIFTI1, type NIFTI2, readHeader } from 'nifti-reader-js';
import { MAX_IMAGE_BYTES } from '../voxels.js';
import { NIFTI_TYPES, type NiftiType } from './nifti-types.js';

export type Refuse = (field: string, expected: string, found: string, cause?: unknown) => MedformerError;

export interface NiftiLayout {
  header: NIFTI1 | NIFTI2;
  type: NiftiType;
  /** Voxels along x, y, z. */
  size: [number, number, number];
  /** Volumes along the fourth axis. */
  frames: number;
  /** From the first byte of the file that holds them, inflated, to the first voxel and beyond the last. */
  begin: number;
  end: number;
}

/** Enough compressed bytes to hold a header. */
const HEADER_PROBE_BYTES = 4096;
const MAX_EDGE = 65_535;

export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 18 && isCompressed(Uint8Array.from(bytes.subarray(0, 8)).buffer);
}

/**
 * Reads a NIfTI-1 or NIfTI-2 header, of a single file (`n+1`, `n+2`) or of a pair (`ni1`, `ni2`), and checks all that it
 * says of the voxels' bytes.
 *
 * @param bytes the file that holds the header, gzip or not.
 * @param pair whether the voxels stand in a file of their own.
 * @throws MedformerError INVALID_ARGUMENT naming the field.
 */
export function readNiftiLayout(bytes: Uint8Array, pair: boolean, refuse: Refuse): NiftiLayout {
  const start = isGzip(bytes) ? probe(bytes, refuse) : bytes.subarray(0, HEADER_PROBE_BYTES);
  const header = parseHeader(start, pair, refuse);
  const { size, frames } = dimensions(header, refuse);
  const type = NIFTI_TYPES[header.datatypeCode];
  if (!type) {
    const expected = `one of ${Object.keys(NIFTI_TYPES).join(', ')}`;
    throw refuse('datatype', expected, String(header.datatypeCode));
  }
  const count = size[0] * size[1] * size[2] * frames;
  if (count * Math.max(4, type.bytes) > MAX_IMAGE_BYTES) {
    const found = [...size, ...(frames > 1 ? [frames] : [])].join(' x ');
    throw refuse('dim', `at most ${MAX_IMAGE_BYTES} bytes of voxels`, found);
  }
  return {
    header,
    type,
    size,
    frames,
    begin: header.vox_offset,
    end: header.vox_offset + count * type.bytes,
  };
}

function parseHeader(start: Uint8Array, pair: boolean, refuse: Refuse): NIFTI1 | NIFTI2 {
  const buffer = Uint8Array.from(start).buffer;
  if (start.length < 348 || !isNIFTI(buffer, pair)) {
    const kind = pair ? 'an image in two files' : 'a single-file image';
    throw refuse('header', `a NIfTI-1 or NIfTI-2 header of ${kind}`, `${start.length} other bytes`);
  }
  let header: NIFTI1 | NIFTI2;
  try {
    header = readHeader(buffer, pair);
  } catch (cause) {
    throw refuse('header', 'a NIfTI-1 or NIfTI-2 header', 'one that cannot be read', cause);
  }
  const least = pair ? 0 : 348;
  if (!Number.isSafeInteger(header.vox_offset) || header.vox_offset < least) {
    throw refuse('vox_offset', `a whole number from ${least}`, String(header.vox_offset));
  }
  return header;
}

function dimensions(
  header: NIFTI1 | NIFTI2,
  refuse: Refuse,
): { size: [number, number, number]; frames: number } {
  const [rank = 0, ...edges] = header.dims;
  if (rank < 2 || rank > 7) throw refuse('dim[0]', '2 to 4 dimensions', String(rank));
  const [nx = 1, ny = 1, nz = 1, nt = 1, ...more] = edges.slice(0, rank);
  const beyond = more.findIndex((edge) => edge !== 1);
  if (beyond >= 0) throw refuse(`dim[${beyond + 5}]`, '1 (one value a voxel)', String(more[beyond]));
  for (const [axis, edge] of [nx, ny, nz, nt].entries()) {
    if (!Number.isSafeInteger(edge) || edge < 1 || edge > MAX_EDGE) {
      throw refuse(`dim[${axis + 1}]`, `a length from 1 to ${MAX_EDGE}`, String(edge));
    }
  }
  return { size: [nx, ny, nz], frames: nt };
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
