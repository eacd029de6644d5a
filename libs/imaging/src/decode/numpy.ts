import { badInput } from '@medformer/schema';
import { readNpyArray } from '../npz/npy-array.js';
import { openZipBytes, type ZipEntry } from '../npz/zip-archive.js';
import { MAX_IMAGE_BYTES, refuseNonFinite, type Voxels } from '../voxels.js';

/**
 * An image in numpy's format: `.npy`, or `.npz` of a single array. Two axes are an image, three a volume, or a colour
 * image where the last has length 3; four a volume with channels.
 *
 * @throws MedformerError INVALID_ARGUMENT
 */
export async function decodeNumpy(bytes: Uint8Array, file: string): Promise<Voxels> {
  const { shape, values } = await readNpyArray(await onlyArray(bytes, file), file, MAX_IMAGE_BYTES);
  const channels = shape.at(-1) === 3 || shape.at(-1) === 1;
  const spatial = shape.length === 4 || (shape.length === 3 && channels) ? shape : [...shape, 1];
  const fits = spatial.length >= 3 && spatial.length <= 4 && [1, 3].includes(spatial.at(-1)!);
  if (!fits || spatial.some((edge) => edge < 1 || edge > 65_535)) {
    const expected = '(h, w), (h, w, 3), (d, h, w) or (d, h, w, 3)';
    throw badInput({ file, field: 'shape', expected, found: `(${shape.join(', ')})` });
  }
  const voxels = { shape: spatial, values };
  refuseNonFinite(voxels, file);
  return voxels;
}

async function onlyArray(bytes: Uint8Array, file: string): Promise<ZipEntry> {
  if (Buffer.from(bytes.subarray(0, 2)).toString('latin1') !== 'PK') {
    return { name: 'array', bytes: bytes.length, read: () => whole(bytes) };
  }
  const { entries } = await openZipBytes(bytes, file, MAX_IMAGE_BYTES);
  const [only, ...more] = entries.values();
  if (only && more.length === 0) return only;
  throw badInput({ file, field: 'entries', expected: 'one array an image', found: `${entries.size}` });
}

async function* whole(bytes: Uint8Array): AsyncIterable<Buffer> {
  yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
