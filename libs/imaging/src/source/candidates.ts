import { createHmac } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path/posix';
import { badInput, sha256 } from '@medformer/schema';
import {
  IMAGE_EXTENSIONS,
  type ImageFormat,
  imageFormatByMagic,
  imageFormatOf,
} from '../decode/decode-image.js';
import { type DicomIdentity, type DicomSlice, readDicomDirectory } from '../dicom/identity.js';
import { stackSlices } from '../geometry/stack-slices.js';
import { niftiFrames } from '../nifti/decode-nifti.js';
import { MAX_IMAGE_BYTES } from '../voxels.js';
import { type BidsPlace, bidsPlace } from './bids.js';
import { readVerified } from './decode-job.js';
import { openDecodePool } from './decode-pool.js';
import type { Examined } from './examine-job.js';
import type { LocatedFile, SourceOptions } from './image-source.js';
import { LABELS_FILE, type LabelRow } from './labels-csv.js';
import { mapInOrder } from './map-in-order.js';

/** What becomes one image, or several volumes of one file. */
export interface Candidate {
  /** What errors call it: the file, or the series with its folder. */
  name: string;
  /** One, a NIfTI header with its voxels, or the slices of a series. */
  files: LocatedFile[];
  /** Hash of the bytes of all files. */
  source: string;
  format: ImageFormat;
  row: LabelRow | undefined;
  subject: string;
  modality: string;
  bodyPart: string | undefined;
  /** Images that come of it. */
  frames: number;
}

interface Identified extends Candidate {
  slice?: DicomSlice;
}

export interface Identifying {
  /** Absent where there is no table of labels. */
  rows: Map<string, LabelRow> | undefined;
  bids: boolean;
  options: SourceOptions;
  refuse: (path: string, error: unknown) => void;
}

const PROBE_BYTES = 352;
const DICOM_DIRECTORY = /(^|\/)dicomdir$/i;

/**
 * Sorts files into images: single files, NIfTI pairs, and the slices of DICOM series, whose geometry is checked. Files
 * that a DICOMDIR names as something else than images are left out; what it names and is not there is refused.
 */
export async function findCandidates(
  files: readonly LocatedFile[],
  identifying: Identifying,
): Promise<Candidate[]> {
  const { refuse } = identifying;
  const images = await withoutDirectories(files, refuse);
  const byPath = new Map(images.map((file) => [file.path, file]));
  const identified: Identified[] = [];
  const seen = new Map<string, string>();
  for await (const { file, ...known } of examineAhead(images, identifying)) {
    if (isVoxelFile(file.path) && byPath.has(headerOf(file.path, byPath))) continue;
    try {
      const own = [file];
      const voxels = voxelsOf(file, byPath);
      if (voxels) own.push(voxels);
      const twin = seen.get(file.sha256);
      if (twin && !voxels) {
        const expected = 'every image once';
        throw badInput({ file: file.path, field: 'content', expected, found: `the bytes of ${twin}` });
      }
      identified.push(await identify(own, known, identifying));
      seen.set(file.sha256, file.path);
    } catch (error) {
      refuse(file.path, error);
    }
  }
  return inSeries(identified, refuse);
}

interface Known {
  format: Promise<ImageFormat>;
  /** Of a DICOM file that is not too large. */
  examined: Promise<Examined> | undefined;
}

/** Files in their order; DICOM files are examined ahead by the threads that decode later. */
async function* examineAhead(
  files: readonly LocatedFile[],
  { options: { deidentification } }: Identifying,
): AsyncIterable<Known & { file: LocatedFile }> {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const pool = openDecodePool(files.length, { bytes });
  const profile = deidentification && { deidentification: deidentification.profile };
  const examine = (file: LocatedFile) => pool.examine({ name: file.path, file, ...profile });
  const ahead = async (file: LocatedFile) => {
    // Faults come up where the file has its turn.
    const format = formatOf(file);
    const dicom = (await format.catch(() => undefined)) === 'dicom';
    const examined = dicom && file.bytes <= MAX_IMAGE_BYTES ? examine(file) : undefined;
    await examined?.catch(() => undefined);
    return { file, format, examined };
  };
  try {
    yield* mapInOrder(files, pool.size + 1, ahead);
  } finally {
    await pool.close();
  }
}

async function withoutDirectories(
  files: readonly LocatedFile[],
  refuse: Identifying['refuse'],
): Promise<LocatedFile[]> {
  const directories = files.filter(({ path }) => DICOM_DIRECTORY.test(path));
  const byPath = new Map(files.map((file) => [file.path.toLowerCase(), file]));
  const leftOut = new Set(directories);
  for (const file of directories) {
    try {
      const directory = readDicomDirectory(await readVerified(file), file.path);
      if (!directory) {
        leftOut.delete(file);
        continue;
      }
      const folder = dirname(file.path);
      const at = (path: string) => byPath.get((folder === '.' ? path : `${folder}/${path}`).toLowerCase());
      for (const path of directory.others) {
        const other = at(path);
        if (other) leftOut.add(other);
      }
      const missing = directory.images.filter((path) => !at(path));
      if (missing.length === 0) continue;
      const found = `${missing.length} missing: ${missing.slice(0, 4).join(', ')}`;
      const expected = `the ${directory.images.length} images that it names`;
      refuse(
        file.path,
        badInput({ file: file.path, field: '(0004,1500) ReferencedFileID', expected, found }),
      );
    } catch (error) {
      refuse(file.path, error);
    }
  }
  return files.filter((file) => !leftOut.has(file));
}

function isVoxelFile(path: string): boolean {
  return /\.img(\.gz)?$/i.test(path);
}

function headerOf(path: string, byPath: Map<string, LocatedFile>): string {
  const stem = path.replace(/\.img(\.gz)?$/i, '');
  return [`${stem}.hdr`, `${stem}.hdr.gz`].find((header) => byPath.has(header)) ?? `${stem}.hdr`;
}

function voxelsOf({ path }: LocatedFile, byPath: Map<string, LocatedFile>): LocatedFile | undefined {
  if (!/\.hdr(\.gz)?$/i.test(path)) return undefined;
  const stem = path.replace(/\.hdr(\.gz)?$/i, '');
  const voxels = byPath.get(`${stem}.img`) ?? byPath.get(`${stem}.img.gz`);
  if (voxels) return voxels;
  throw badInput({ file: path, field: 'voxels', expected: `${stem}.img beside it`, found: 'none' });
}

async function identify(files: LocatedFile[], known: Known, identifying: Identifying): Promise<Identified> {
  const { rows, bids, options } = identifying;
  const [file] = files as [LocatedFile];
  const row = rows && rowOf(file.path, rows);
  if (rows && !row) {
    throw badInput({ file: file.path, field: 'label', expected: `a row in ${LABELS_FILE}`, found: 'none' });
  }
  const bytes = files.reduce((sum, one) => sum + one.bytes, 0);
  if (bytes > MAX_IMAGE_BYTES) {
    const expected = `at most ${MAX_IMAGE_BYTES} bytes`;
    throw badInput({ file: file.path, field: 'size', expected, found: `${bytes} bytes` });
  }
  const format = await known.format;
  const dicom = known.examined && (await identityOf(known.examined, options));
  const place: BidsPlace | undefined = bids ? bidsPlace(file.path) : undefined;
  const subject = subjectOf([row?.subject, dicom?.patientId, place?.subject], options);
  const source = files.length === 1 ? file.sha256 : sha256(files.map((one) => one.sha256).join('\n'));
  return {
    name: file.path,
    files,
    source,
    format,
    row,
    subject: subject ?? `file-${source.slice(0, 16)}`,
    modality: row?.modality ?? dicom?.modality ?? place?.modality ?? options.modality ?? 'unknown',
    bodyPart: row?.bodyPart ?? dicom?.bodyPart,
    frames: format === 'nifti' ? await framesOf(files) : 1,
    ...(dicom?.slice ? { slice: dicom.slice } : {}),
  };
}

/** A row of the file itself, or of the nearest folder that holds it. */
function rowOf(path: string, rows: Map<string, LabelRow>): LabelRow | undefined {
  for (let at = path; at !== '.' && at !== '/'; at = dirname(at)) {
    const row = rows.get(at);
    if (row) return row;
  }
  return undefined;
}

async function framesOf([header, voxels]: LocatedFile[]): Promise<number> {
  return niftiFrames(await firstBytes(header!, 65_536), header!.path, voxels !== undefined);
}

async function formatOf(file: LocatedFile): Promise<ImageFormat> {
  const named = imageFormatOf(file.path);
  if (named) return named;
  const found = imageFormatByMagic(await firstBytes(file, PROBE_BYTES));
  if (found) return found;
  const [, extension] = /(\.[^./]*)$/.exec(file.path.toLowerCase()) ?? [];
  const expected = `${IMAGE_EXTENSIONS}, or a file that begins as one of these`;
  throw badInput({ file: file.path, field: 'format', expected, found: extension ?? 'another file' });
}

async function firstBytes({ location }: LocatedFile, length: number): Promise<Buffer> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(location);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle?.close();
  }
}

async function identityOf(
  examined: Promise<Examined>,
  { deidentification }: SourceOptions,
): Promise<DicomIdentity> {
  const { identity, audited } = await examined;
  if (audited) deidentification?.record(audited);
  return identity;
}

function subjectOf(
  [named, patientId, place]: [string | undefined, string | undefined, string | undefined],
  options: SourceOptions,
): string | undefined {
  // A cleaned file's PatientID is the pseudonym.
  if (named === undefined && patientId !== undefined && options.deidentification) return patientId;
  const name = named ?? patientId ?? place;
  return name === undefined ? undefined : pseudonym(name, options);
}

function pseudonym(name: string, { synthetic, pseudonymKey }: SourceOptions): string {
  return synthetic ? name : createHmac('sha256', pseudonymKey).update(name).digest('hex').slice(0, 32);
}

/** Slices of one stack become one candidate, in the place of the first; single ones stay images. */
function inSeries(identified: readonly Identified[], refuse: Identifying['refuse']): Candidate[] {
  const stacks = new Map<string, Identified[]>();
  for (const one of identified) {
    if (!one.slice) continue;
    const key = `${one.subject}\n${one.modality}\n${one.slice.stack}`;
    stacks.set(key, [...(stacks.get(key) ?? []), one]);
  }
  const joined = new Map<Identified, Candidate | undefined>();
  for (const slices of stacks.values()) {
    if (slices.length < 2) continue;
    const [first, ...rest] = slices as [Identified, ...Identified[]];
    for (const slice of rest) joined.set(slice, undefined);
    try {
      joined.set(first, seriesOf(slices));
    } catch (error) {
      joined.set(first, undefined);
      refuse(seriesName(slices), error);
    }
  }
  return identified.flatMap((one) => (joined.has(one) ? (joined.get(one) ?? []) : [one]));
}

function seriesName(slices: readonly Identified[]): string {
  const [first] = slices as [Identified];
  const folder = dirname(first.name);
  return `${folder === '.' ? '' : `${folder}/`}series of ${slices.length} slices`;
}

function seriesOf(slices: readonly Identified[]): Candidate {
  const [first] = slices as [Identified];
  const name = seriesName(slices);
  const other = slices.find(({ row }) => row !== first.row && contentOf(row) !== contentOf(first.row));
  if (other) {
    const expected = `one row of labels for all slices, as ${first.name} has`;
    throw badInput({ file: name, field: 'label', expected, found: `another of ${other.name}` });
  }
  const placed = slices.map(({ slice, name: file }) => ({ ...slice!, name: file }));
  const { order } = stackSlices(placed, name);
  const ordered = order.map((index) => slices[index]!);
  const files = ordered.flatMap((slice) => slice.files);
  const { slice: _slice, ...candidate } = first;
  return { ...candidate, name, files, source: sha256(files.map((file) => file.sha256).join('\n')) };
}

function contentOf(row: LabelRow | undefined): string {
  if (!row) return '';
  const { file: _file, line: _line, ...content } = row;
  return JSON.stringify(content);
}
