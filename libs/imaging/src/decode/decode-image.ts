import { badInput, type NormalisationRule, type NormalisationStep, type Resampling } from '@medformer/schema';
import { isDicom } from '../dicom/data-set.js';
import { type DicomImage, decodeDicom } from '../dicom/decode-dicom.js';
import { decodeDicomSeries } from '../dicom/dicom-series.js';
import { decodeNifti, decodeNiftiFrames } from '../nifti/decode-nifti.js';
import { normalisationSteps, replayNormalisation, ruleFor } from '../normalise.js';
import { type ResampledPixels, resampledEdges, resamplePixels } from '../resample/resample.js';
import type { Voxels } from '../voxels.js';
import { decodeNumpy } from './numpy.js';
import { decodeRaster } from './raster.js';

export type ImageFormat = 'raster' | 'nifti' | 'dicom' | 'numpy';

export interface NamedBytes {
  name: string;
  bytes: Uint8Array;
}

/** A decoded image; DICOM also says what it shows. */
export type DecodedImage = Voxels & Partial<Pick<DicomImage, 'modality' | 'bodyPart' | 'suvFactor'>>;

/** Raster values have no physical unit: they stay as they are. */
export const RASTER_RULE: NormalisationRule = { rule: 'unchanged' };

/** Endings of the formats that are read. */
export const IMAGE_EXTENSIONS =
  '.png, .jpg, .jpeg, .tif, .tiff, .nii, .nii.gz, .hdr with .img, .dcm, .ima, .npy, .npz';

/** The format that a file's ending names. */
export function imageFormatOf(name: string): ImageFormat | undefined {
  if (/\.(png|jpe?g|tiff?)$/i.test(name)) return 'raster';
  if (/\.(nii|hdr)(\.gz)?$/i.test(name)) return 'nifti';
  if (/\.np[yz]$/i.test(name)) return 'numpy';
  return /\.(dcm|ima|dicom)$/i.test(name) ? 'dicom' : undefined;
}

/** The format that a file's first bytes tell; the first 352 are enough. */
export function imageFormatByMagic(start: Uint8Array): ImageFormat | undefined {
  if (isDicom(start)) return 'dicom';
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.length);
  const [first = 0, second = 0] = bytes;
  if (bytes.toString('latin1', 0, 4) === '\x89PNG') return 'raster';
  if (first === 0xff && second === 0xd8) return 'raster';
  if (['II*\0', 'MM\0*'].includes(bytes.toString('latin1', 0, 4))) return 'raster';
  if (bytes.toString('latin1', 0, 6) === '\x93NUMPY') return 'numpy';
  if (/^n\+[12]$/.test(bytes.toString('latin1', 344, 347))) return 'nifti';
  return bytes.toString('latin1', 4, 7) === 'n+2' ? 'nifti' : undefined;
}

/**
 * Decodes the images of one file, or of the files that make one image: a NIfTI header with its voxels, the slices of a
 * DICOM series.
 * @param examined as of `decodeDicom`
 * @throws MedformerError INVALID_ARGUMENT
 */
export async function decodeImages(
  format: ImageFormat,
  files: readonly NamedBytes[],
  name: string,
  examined = false,
): Promise<DecodedImage[]> {
  const [first, second] = files as [NamedBytes, NamedBytes | undefined];
  switch (format) {
    case 'raster':
      return [await decodeRaster(first.bytes, first.name)];
    case 'numpy':
      return [await decodeNumpy(first.bytes, first.name)];
    case 'nifti':
      return decodeNiftiFrames(first.bytes, first.name, second?.bytes);
    case 'dicom':
      return [
        second
          ? await decodeDicomSeries(files, name, examined)
          : await decodeDicom(first.bytes, first.name, examined),
      ];
  }
}

/**
 * A decoded image's pixels by a rule, at other edges where asked, with the steps that led there. Colours have no
 * statistics of their own.
 * @param options.consume as of `replayNormalisation`
 * @throws MedformerError INVALID_ARGUMENT as `resampledEdges`
 */
export function toPixels(
  image: DecodedImage,
  format: ImageFormat,
  rule: NormalisationRule,
  {
    resampling,
    name = 'image',
    consume = false,
  }: { resampling?: Resampling | undefined; name?: string; consume?: boolean } = {},
): ResampledPixels & { orientation?: 'RAS'; normalisation: NormalisationStep[] } {
  const colour = image.shape.at(-1) === 3 && image.values instanceof Uint16Array;
  const steps = normalisationSteps(image, format === 'raster' || colour ? RASTER_RULE : rule);
  const { shape, spacingMm, orientation } = image;
  const spaced = { shape, ...(spacingMm ? { spacingMm } : {}) };
  const edges = resampling ? resampledEdges(spaced, resampling, name) : shape.slice(0, -1);
  const oriented = orientation ? { orientation } : {};
  const made = { ...spaced, pixels: replayNormalisation(image, steps, consume) };
  if (edges.every((edge, axis) => edge === shape[axis]))
    return { ...made, ...oriented, normalisation: steps };
  const normalisation: NormalisationStep[] = [...steps, { step: 'resample', edges }];
  return { ...resamplePixels(made, edges), ...oriented, normalisation };
}

/**
 * One image file as ingestion would store it: decoded and normalised by the rule of its modality.
 * @param modality what the caller says; a DICOM file's own word goes before it
 * @throws MedformerError INVALID_ARGUMENT
 */
export async function readImageFile(
  bytes: Uint8Array,
  name: string,
  modality: string,
): Promise<{ shape: number[]; pixels: Uint8Array | Uint16Array; modality: string; bodyPart?: string }> {
  const format = imageFormatOf(name) ?? imageFormatByMagic(bytes);
  if (!format)
    throw badInput({ file: name, field: 'format', expected: IMAGE_EXTENSIONS, found: 'another ending' });
  const image =
    format === 'nifti' ? decodeNifti(bytes, name) : (await decodeImages(format, [{ name, bytes }], name))[0]!;
  const shown = (image as DecodedImage).modality ?? modality;
  return {
    shape: image.shape,
    pixels: toPixels(image, format, ruleFor(shown)).pixels,
    modality: shown,
    ...((image as DecodedImage).bodyPart ? { bodyPart: (image as DecodedImage).bodyPart! } : {}),
  };
}
