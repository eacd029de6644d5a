import { badInput, type DeidentificationOutcome } from '@medformer/schema';
import { deidentifyDicom } from './dicom/deidentify-dicom.js';
import { hasDicomMark } from './dicom/read-data-set.js';
import { cleanJpeg } from './formats/clean-jpeg.js';
import { cleanNifti, cleanNiftiPair } from './formats/clean-nifti.js';
import { cleanPng } from './formats/clean-png.js';
import { cleanTiff } from './formats/clean-tiff.js';
import { opaqueName } from './keyed.js';
import type { Profile } from './profile.js';
import { Tally } from './tally.js';

export interface CleanFile {
  bytes: Buffer;
  /** Relative, with forward slashes; says nothing of the old path. */
  path: string;
  outcome: DeidentificationOutcome;
}

type Format = DeidentificationOutcome['format'];

const CLEANERS = { nifti: cleanNifti, png: cleanPng, jpeg: cleanJpeg, tiff: cleanTiff } as const;
const EXTENSION = /\.nii\.gz$|\.[a-z0-9]{1,8}$/;
const EXTENSIONS: Readonly<Record<string, Format>> = {
  '.nii': 'nifti',
  '.nii.gz': 'nifti',
  '.png': 'png',
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.tif': 'tiff',
  '.tiff': 'tiff',
  '.dcm': 'dicom',
  '.dicom': 'dicom',
  '.ima': 'dicom',
};

/**
 * A file without identities in its header and its name. Pixels stay as they came: text in photographs and screens is for
 * DICOM refused by rule, for other formats not looked for.
 *
 * @param path relative, with forward slashes; it tells formats without a mark apart, and names the file in errors.
 * @throws MedformerError INVALID_ARGUMENT for other formats and damaged files
 */
export function deidentifyFile(bytes: Uint8Array, path: string, profile: Profile): CleanFile {
  const format = formatOf(bytes, path);
  if (format === 'dicom') return deidentifyDicom(bytes, profile, path);
  const tally = new Tally();
  return {
    bytes: CLEANERS[format](bytes, tally, path),
    path: opaquePath(profile.key, path),
    outcome: { format, actions: tally.actions(), codes: [], notes: [] },
  };
}

/**
 * A NIfTI header and its voxels in a file of their own.
 * @param path of the header
 * @throws MedformerError INVALID_ARGUMENT
 */
export function deidentifyNiftiPair(
  hdr: Uint8Array,
  img: Uint8Array,
  path: string,
  profile: Profile,
): {
  hdr: Pick<CleanFile, 'bytes' | 'path'>;
  img: Pick<CleanFile, 'bytes' | 'path'>;
  outcome: DeidentificationOutcome;
} {
  const tally = new Tally();
  const clean = cleanNiftiPair(hdr, img, tally, path);
  const name = opaquePath(profile.key, path).replace(EXTENSION, '');
  return {
    hdr: { bytes: clean.hdr, path: `${name}.hdr` },
    img: { bytes: clean.img, path: `${name}.img` },
    outcome: { format: 'nifti', actions: tally.actions(), codes: [], notes: [] },
  };
}

/** Every part of a path under a keyed name, with the extension in lower case: what stood together still does. */
export function opaquePath(key: string, path: string): string {
  const parts = path.split('/');
  const [extension = ''] = EXTENSION.exec(path.toLowerCase()) ?? [];
  return parts
    .map((part, index) => {
      const last = index === parts.length - 1;
      return last
        ? opaqueName(key, part.slice(0, part.length - extension.length)) + extension
        : opaqueName(key, part);
    })
    .join('/');
}

function formatOf(bytes: Uint8Array, path: string): Format {
  const start = Buffer.from(bytes.subarray(0, 8)).toString('latin1');
  if (hasDicomMark(bytes)) return 'dicom';
  if (start === '\x89PNG\r\n\x1a\n') return 'png';
  if (start.startsWith('\xff\xd8\xff')) return 'jpeg';
  if (/^(II\*\0|MM\0\*)/.test(start)) return 'tiff';
  const [extension = ''] = EXTENSION.exec(path.toLowerCase()) ?? [];
  const named = EXTENSIONS[extension];
  if (named === 'dicom' || named === 'nifti') return named;
  throw badInput({
    file: path,
    field: 'format',
    expected: 'DICOM, NIfTI, PNG, JPEG or TIFF',
    found: named ? `a ${extension} file of other content` : 'another file',
  });
}
