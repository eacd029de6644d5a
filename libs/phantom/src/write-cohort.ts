import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { encodeNifti } from '@medformer/imaging/encode-nifti';
import { canonicalJson, MedformerError } from '@medformer/schema';
import sharp from 'sharp';
import { type CohortSpec, checkSpec, type GenerationOptions, generateCohort, patientsOf } from './cohort.js';
import type { PhantomScan } from './scan.js';

/** Raised whenever the same specification would give other bytes. */
export const PHANTOM_VERSION = 3;

export interface WriteOptions extends GenerationOptions {
  /** Called after every patient. */
  onProgress?: ((progress: { patients: number; of: number; files: number }) => void) | undefined;
}

export interface WrittenCohort {
  directory: string;
  /** Images and volumes in the directory. */
  files: number;
  /** True when the directory was there already and nothing was generated. */
  reused: boolean;
}

/** A row of `labels.csv`. */
type Row = Record<string, string>;

/**
 * Writes a cohort as a hospital's export would look: 8-bit grey PNG images and .nii.gz volumes, one folder per
 * patient, `labels.csv` with one row per file, `README.txt` and `cohort.json` saying what it is.
 *
 * The directory appears whole or not at all; one that is there with the same specification is reused.
 *
 * @throws MedformerError ALREADY_EXISTS when the directory holds anything else, CANCELLED when the signal aborts
 */
export async function writeCohort(
  directory: string,
  spec: CohortSpec,
  options: WriteOptions = {},
): Promise<WrittenCohort> {
  checkSpec(spec);
  const found = await readFinished(directory, spec);
  if (found) return found;
  const partial = `${directory}.partial-${process.pid}`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  try {
    const rows: Row[] = [];
    await generateCohort(
      spec,
      async (scans, patient) => {
        await mkdir(join(partial, scans[0]!.subject));
        rows.push(...(await Promise.all(scans.map((scan) => writeScan(partial, scan)))));
        options.onProgress?.({ patients: patient + 1, of: patientsOf(spec), files: rows.length });
      },
      options,
    );
    const columns = columnsOf(spec, rows);
    const table = rows.map((row) => columns.map((column) => row[column]).join(','));
    await writeFile(join(partial, 'labels.csv'), `${[columns.join(','), ...table].join('\n')}\n`);
    await writeFile(join(partial, 'README.txt'), readme(spec, rows.length, columns));
    await writeFile(join(partial, 'cohort.json'), identity(spec));
    await mkdir(dirname(directory), { recursive: true });
    await rename(partial, directory);
    return { directory, files: rows.length, reused: false };
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

async function readFinished(directory: string, spec: CohortSpec): Promise<WrittenCohort | undefined> {
  const read = (name: string) =>
    readFile(join(directory, name), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
  const [found, table] = await Promise.all([read('cohort.json'), read('labels.csv')]);
  if (found === undefined && table === undefined) return undefined;
  if (found !== identity(spec) || table === undefined) {
    throw new MedformerError(
      'ALREADY_EXISTS',
      `${directory}: expected the cohort ${identity(spec)}, found ${found ?? 'another folder of images'}; ` +
        'name another directory or remove this one',
    );
  }
  return { directory, files: table.trim().split('\n').length - 1, reused: true };
}

/** The columns of `labels.csv`: in a cohort of groups no task that all images have the same class of. */
function columnsOf(spec: CohortSpec, rows: readonly Row[]): string[] {
  const always = ['file', 'subject', 'modality', 'body_part'];
  if (!('groups' in spec)) return [...always, 'region', 'lesion'];
  const tasks = ['region', 'lesion', 'group'].filter((task) =>
    rows.some((row) => row[task] !== rows[0]![task]),
  );
  return [...always, 'split', ...tasks];
}

/** Writes one file and returns its row of `labels.csv`. */
async function writeScan(root: string, scan: PhantomScan): Promise<Row> {
  const { subject, modality, protocol, bodyPart, labels, split, shape } = scan;
  const extension = shape.length === 2 ? 'png' : 'nii.gz';
  const file = `${subject}/${labels.region}_${modality}-${protocol}.${extension}`;
  await writeFile(join(root, file), shape.length === 2 ? await encodePng(scan) : await encodeVolume(scan));
  return { file, subject, modality, body_part: bodyPart, ...labels, ...(split ? { split } : {}) };
}

async function encodePng({ voxels, shape }: PhantomScan): Promise<Buffer> {
  const [height, width] = shape as [number, number];
  const pixels = new Uint8Array(voxels.buffer, voxels.byteOffset, voxels.length);
  return sharp(pixels, { raw: { width, height, channels: 1 } })
    .toColourspace('b-w')
    .png()
    .toBuffer();
}

async function encodeVolume({ voxels, shape, spacingMm }: PhantomScan): Promise<Buffer> {
  const image = encodeNifti(voxels as Int16Array, shape, spacingMm, 'synthetic phantom, not a patient');
  return promisify(gzip)(image);
}

function identity(spec: CohortSpec): string {
  const { imageShape, volumeShape, ...counts } = spec;
  return canonicalJson({
    kind: 'medformer-phantom',
    version: PHANTOM_VERSION,
    ...counts,
    ...(imageShape ? { imageShape } : {}),
    ...(volumeShape ? { volumeShape } : {}),
  });
}

function readme(spec: CohortSpec, files: number, columns: readonly string[]): string {
  return `SYNTHETIC PHANTOM COHORT - no patient, no scanner.

Every picture here was computed by @medformer/phantom (version ${PHANTOM_VERSION}) from geometric anatomy, random smooth
deformations and simple models of CT, MRI, PET and X-ray. Scores on it say nothing about real images.

seed ${spec.seed}, ${whom(spec)}; ${files} files
labels.csv: ${columns.join()}
PNG: 8-bit grey, as displayed. NIfTI: int16; CT in Hounsfield units, PET in 1/100 SUV, MRI in arbitrary units.
The same seed and version give the same files.
`;
}

function whom(spec: CohortSpec): string {
  if (!('groups' in spec))
    return `${spec.patients} patients, of whom ${spec.volumePatients} also have volumes`;
  const { train, val, test } = spec.perGroup;
  return `${spec.groups} groups of ${train} patients to train on, ${val} to validate and ${test} to test`;
}
