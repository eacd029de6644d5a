import { badInput } from '@medformer/schema';
import type { NamedBytes } from '../decode/decode-image.js';
import type { PlacedSlice } from '../geometry/stack-slices.js';
import type { VoxelValues } from '../voxels.js';
import { type DicomImage, decodeDicom, stackedVolume } from './decode-dicom.js';

/**
 * The slices of one series as a volume to right, anterior, superior; each with its own rescale. Values of several types
 * become float32.
 *
 * @param examined as of `decodeDicom`
 * @throws MedformerError INVALID_ARGUMENT naming the file, or the series where its geometry is no stack's.
 */
export async function decodeDicomSeries(
  files: readonly NamedBytes[],
  series: string,
  examined = false,
): Promise<DicomImage> {
  const images: DicomImage[] = [];
  for (const { bytes, name } of files) images.push(await decodeDicom(bytes, name, examined));
  const [first] = images as [DicomImage];
  const slices: PlacedSlice[] = images.map(({ plane, shape: [rows = 0, columns = 0] }, index) => {
    const { name } = files[index]!;
    if (!plane) {
      const field = '(0020,0032) ImagePositionPatient';
      throw badInput({ file: name, field, expected: 'a single slice with its position', found: 'none' });
    }
    return { ...plane, name, rows, columns };
  });
  const odd = images.findIndex(({ shape }) => shape.join() !== first.shape.join());
  if (odd >= 0) {
    const field = '(0028,0010) Rows, Columns';
    const found = `${images[odd]!.shape.join(' x ')} of ${files[odd]!.name}`;
    throw badInput({ file: series, field, expected: first.shape.join(' x '), found });
  }
  const uniform = images.every(({ values }) => values.constructor === first.values.constructor);
  const kind = uniform ? (first.values.constructor as new (length: number) => VoxelValues) : Float32Array;
  const values = new kind(images.length * first.values.length);
  for (const [index, image] of images.entries()) values.set(image.values, index * first.values.length);
  const { plane: _plane, suvFactor: _factor, spacingMm: _spacing, ...rest } = first;
  const volume = stackedVolume(slices, values, first.shape[2] ?? 1, series);
  return { ...rest, ...suvOf(images), ...volume };
}

/** One factor for all slices; a series of several has none, which the caller then does without. */
function suvOf(images: readonly DicomImage[]): { suvFactor?: number } {
  const [first] = images as [DicomImage];
  const factor = first.suvFactor;
  if (factor === undefined || images.some(({ suvFactor }) => suvFactor !== factor)) return {};
  return { suvFactor: factor };
}
