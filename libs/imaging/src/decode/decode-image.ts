import { badInput, type NormalisationRule } from '@medformer/schema';
import { isDicom } from '../dicom/data-set.js';
import { decodeDicom } from '../dicom/decode-dicom.js';
import { decodeNifti } from '../nifti/decode-nifti.js';
import { normalise, ruleFor } from '../normalise.js';
import type { Voxels } from '../voxels.js';
import { decodeRaster } from './raster.js';

export type ImageFormat = 'raster' | 'nifti' | 'dicom';

/** Raster values have no physical unit: they stay as they are. */
export const RASTER_RULE: NormalisationRule = { rule: 'unchanged' };

/** Decodes one file of a known format; DICOM also says what it shows. */
export async function decodeImage(
  format: ImageFormat,
  bytes: Uint8Array,
  file: string,
): Promise<Voxels & { modality?: string; bodyPart?: string }> {
  switch (format) {
    case 'raster':
      return decodeRaster(bytes, file);
    case 'nifti':
      return decodeNifti(bytes, file);
    case 'dicom':
      return decodeDicom(bytes, file);
  }
}

/** Endings of the formats that are read. */
export const IMAGE_EXTENSIONS = '.png, .jpg, .jpeg, .nii, .nii.gz, .dcm';

/** The format that a file's ending names. */
export function imageFormatOf(name: string): ImageFormat | undefined {
  if (/\.(png|jpe?g)$/i.test(name)) return 'raster';
  if (/\.nii(\.gz)?$/i.test(name)) return 'nifti';
  return /\.(dcm|ima)$/i.test(name) ? 'dicom' : undefined;
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
  const format = imageFormatOf(name) ?? (isDicom(bytes) ? 'dicom' : undefined);
  if (!format)
    throw badInput({ file: name, field: 'format', expected: IMAGE_EXTENSIONS, found: 'another ending' });
  const voxels = await decodeImage(format, bytes, name);
  const shown = voxels.modality ?? modality;
  return {
    shape: voxels.shape,
    pixels: normalise(voxels, format === 'raster' ? RASTER_RULE : ruleFor(shown)),
    modality: shown,
    ...(voxels.bodyPart ? { bodyPart: voxels.bodyPart } : {}),
  };
}
