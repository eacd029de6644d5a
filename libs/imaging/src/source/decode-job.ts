import { readFile } from 'node:fs/promises';
import { deidentifyDicom, type Profile } from '@medformer/deidentify';
import {
  MedformerError,
  type NormalisationRule,
  type NormalisationStep,
  type Resampling,
  sha256,
} from '@medformer/schema';
import { decodeImages, type ImageFormat, type NamedBytes, toPixels } from '../decode/decode-image.js';

/** Files that make one image, or several volumes of one, to be read, checked, decoded and normalised. */
export interface DecodeJob {
  /** What errors about all of them call them. */
  name: string;
  format: ImageFormat;
  files: { path: string; location: string; sha256: string }[];
  rule: NormalisationRule;
  resampling?: Resampling;
  /** How DICOM files are cleaned before anything is read of them; absent where the data names nobody. */
  deidentification?: Profile;
}

export interface DecodedItem {
  shape: number[];
  pixels: Uint8Array | Uint16Array;
  normalisation: NormalisationStep[];
  spacingMm?: number[];
  orientation?: 'RAS';
  bodyPart?: string;
}

/** @throws MedformerError INVALID_ARGUMENT, or DATA_LOSS for bytes that are not those announced. */
export async function runDecodeJob({
  name,
  format,
  files,
  rule,
  resampling,
  deidentification,
}: DecodeJob): Promise<DecodedItem[]> {
  const read: NamedBytes[] = [];
  for (const file of files) {
    const bytes = await readVerified(file);
    const cleaned =
      format === 'dicom' && deidentification
        ? deidentifyDicom(bytes, deidentification, file.path).bytes
        : bytes;
    read.push({ name: file.path, bytes: cleaned });
  }
  const images = await decodeImages(format, read, name, deidentification !== undefined);
  return images.map((image) => ({
    ...toPixels(image, format, rule, { resampling, name, consume: true }),
    ...(image.bodyPart ? { bodyPart: image.bodyPart } : {}),
  }));
}

export async function readVerified(file: {
  path: string;
  location: string;
  sha256: string;
}): Promise<Buffer> {
  const bytes = await readFile(file.location);
  if (sha256(bytes) === file.sha256) return bytes;
  throw new MedformerError('DATA_LOSS', `${file.path}: its bytes changed since they were announced`, {
    logged: 'the bytes of a file changed since they were announced',
  });
}
