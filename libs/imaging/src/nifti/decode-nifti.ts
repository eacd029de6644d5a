import { gunzipSync } from 'node:zlib';
import { badInput } from '@medformer/schema';
import { niftiAffine, statesOrientation } from '../geometry/nifti-affine.js';
import { toRas } from '../geometry/orient.js';
import { machineWords } from '../machine-words.js';
import { refuseNonFinite, type Voxels, type VoxelValues } from '../voxels.js';
import { isGzip, type NiftiLayout, type Refuse, readNiftiLayout } from './nifti-header.js';

const DEFLATE_LIMIT = 1032;
/** After the voxels a file may end in padding, not in more than this. */
const TRAILING_BYTES = 65_536;

/**
 * Decodes a NIfTI-1 or NIfTI-2 image of one volume (nifti1.h, nifti2.h): `.nii`, `.nii.gz`, or `.hdr` with its `.img`,
 * either compressed or not; one slice where the third axis has length 1. The axes are flipped and permuted to the
 * closest of right, anterior, superior (as nibabel's `as_closest_canonical`), then ordered depth, height, width. Values
 * are scaled by `scl_slope` and `scl_inter` to float32 where the header asks for it; RGB24 and opaque RGBA32 have three
 * channels.
 *
 * @param image the bytes of the `.img` file; absent for a single file.
 * @throws MedformerError INVALID_ARGUMENT, before the voxels are allocated wherever the header tells.
 */
export function decodeNifti(bytes: Uint8Array, file: string, image?: Uint8Array): Voxels {
  const [volume, ...more] = decodeNiftiFrames(bytes, file, image, 1);
  if (more.length > 0 || !volume) throw new Error('decodeNiftiFrames holds to its limit');
  return volume;
}

/**
 * Every volume along the fourth axis of an image, each as `decodeNifti` gives one.
 * @param maxFrames more are refused by the header.
 */
export function decodeNiftiFrames(
  bytes: Uint8Array,
  file: string,
  image?: Uint8Array,
  maxFrames = Number.POSITIVE_INFINITY,
): Voxels[] {
  const refuse: Refuse = (field, expected, found, cause) =>
    badInput({ file, field, expected, found }, { cause });
  const layout = readNiftiLayout(bytes, image !== undefined, refuse);
  if (layout.frames > maxFrames) throw refuse('dim[4]', '1 (a single volume)', String(layout.frames));
  const values = readValues(voxelBytes(image ?? bytes, layout, refuse), layout, refuse);
  const affine = niftiAffine(layout.header);
  const channels = layout.type.channels === 1 ? 1 : 3;
  const perFrame = values.length / layout.frames;
  return Array.from({ length: layout.frames }, (_, frame) => {
    const one = layout.frames === 1 ? values : values.slice(frame * perFrame, (frame + 1) * perFrame);
    const voxels = toRas(one, layout.size, channels, affine);
    refuseNonFinite(voxels, file);
    // The axes of a file without a matrix are a guess.
    if (!statesOrientation(layout.header)) delete voxels.orientation;
    return voxels;
  });
}

/** How many volumes an image has along its fourth axis, by its header. @throws as `decodeNifti` */
export function niftiFrames(header: Uint8Array, file: string, pair: boolean): number {
  const refuse: Refuse = (field, expected, found, cause) =>
    badInput({ file, field, expected, found }, { cause });
  return readNiftiLayout(header, pair, refuse).frames;
}

/** The voxels' bytes in this machine's order, aligned for typed arrays: a view of the file's where that will do. */
function voxelBytes(
  bytes: Uint8Array,
  { header, type, size, frames, begin, end }: NiftiLayout,
  refuse: Refuse,
): Uint8Array {
  const compressed = isGzip(bytes);
  if (end > bytes.length * (compressed ? DEFLATE_LIMIT : 1)) {
    const what = [...size, ...(frames > 1 ? [frames] : [])].join(' x ');
    throw refuse('voxels', `${end} bytes for ${what}`, `a file of ${bytes.length} bytes`);
  }
  const whole = compressed ? gunzip(bytes, end, refuse) : bytes;
  if (whole.length < end) throw refuse('voxels', `${end} bytes`, `${whole.length} bytes`);
  return machineWords(whole.subarray(begin, end), type.word, !header.littleEndian);
}

function gunzip(bytes: Uint8Array, end: number, refuse: Refuse): Buffer {
  const maxOutputLength = end + TRAILING_BYTES;
  try {
    // One chunk for all of it: joining many costs as much as inflating them.
    return gunzipSync(bytes, { maxOutputLength, chunkSize: Math.max(64, Math.min(end + 64, 2 ** 30)) });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') {
      throw refuse('gzip', `at most ${maxOutputLength} bytes inside`, 'more');
    }
    throw refuse('gzip', 'a whole gzip file', `damaged or truncated data (${code})`, cause);
  }
}

function readValues(bytes: Uint8Array, { header, type }: NiftiLayout, refuse: Refuse): VoxelValues {
  const stored = type.view(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / type.word);
  if (type.channels === 4) return opaque(stored as Uint8Array, refuse);
  if (type.channels === 3) return stored;
  const { scl_slope: slope, scl_inter: inter } = header;
  if (!Number.isFinite(slope) || slope === 0 || (slope === 1 && inter === 0)) return stored;
  if (!Number.isFinite(inter)) throw refuse('scl_inter', 'a finite number beside scl_slope', String(inter));
  const scaled = new Float32Array(stored.length);
  for (let index = 0; index < stored.length; index += 1) scaled[index] = stored[index]! * slope + inter;
  return scaled;
}

function opaque(rgba: Uint8Array, refuse: Refuse): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  const alpha = rgba[3];
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    if (rgba[from + 3] !== alpha) throw refuse('datatype', 'RGBA32 of one opacity', 'transparency');
    rgb[to] = rgba[from]!;
    rgb[to + 1] = rgba[from + 1]!;
    rgb[to + 2] = rgba[from + 2]!;
  }
  return rgb;
}
