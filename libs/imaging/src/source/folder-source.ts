import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badInput, type LabelSpace, MedformerError, type Split, sha256 } from '@medformer/schema';
import {
  decodeImage,
  IMAGE_EXTENSIONS,
  type ImageFormat,
  imageFormatOf,
  RASTER_RULE,
} from '../decode/decode-image.js';
import { isDicom } from '../dicom/data-set.js';
import { readDicomIdentity } from '../dicom/identity.js';
import { normalise, ruleFor } from '../normalise.js';
import { MAX_IMAGE_BYTES } from '../voxels.js';
import {
  type ImageSource,
  imageId,
  type Refusal,
  type SourceFile,
  type SourceImage,
  type SourceOptions,
} from './image-source.js';
import { type LabelRow, labelSpacesOf, parseLabelTable } from './labels-csv.js';
import { mapInOrder } from './map-in-order.js';
import { splitSubjects } from './split-subjects.js';

const LABELS_FILE = 'labels.csv';
/** Documentation and bookkeeping beside the images. */
const NO_IMAGE = /(^|\/)(\.[^/]*|readme|licen[cs]e|notice|thumbs\.db)$|\.(txt|md|json|html|pdf)$/i;
const DECODES_IN_FLIGHT = 4;

interface Candidate {
  file: SourceFile;
  format: ImageFormat;
  row: LabelRow | undefined;
  subject: string;
  modality: string;
  bodyPart: string | undefined;
}

/**
 * A folder of PNG, JPEG, NIfTI and DICOM files, with or without `labels.csv`. What the table says goes before what a
 * file says, and that before the options. Subjects of the table and PatientID become keyed hashes; a file of neither is
 * its own subject.
 *
 * Refused are rows without a file, files without a row, a path twice, equal bytes twice, unknown formats, a subject in two
 * given splits; with `skipBadFiles` single bad files are reported to `onRefusal` and left out.
 */
export async function openFolderSource(
  folder: string,
  files: readonly SourceFile[],
  options: SourceOptions,
  onRefusal: (refusal: Refusal) => void,
): Promise<ImageSource> {
  const refuse = (path: string, error: unknown) => {
    if (!options.skipBadFiles || !(error instanceof MedformerError) || error.code === 'CANCELLED')
      throw error;
    onRefusal({ path, reason: error.message });
  };
  const sorted = [...files]
    .sort((x, y) => (x.path < y.path ? -1 : 1))
    .filter(({ path }) => !NO_IMAGE.test(path));
  const tableFile = sorted.find(({ path }) => path === LABELS_FILE);
  const images = sorted.filter((file) => file !== tableFile);
  const table = tableFile && parseLabelTable(await readVerified(folder, tableFile));
  const rows = table && rowsByFile(table.rows, images, refuse);
  const candidates = await identify(folder, images, rows, options, refuse);
  if (candidates.length === 0) {
    const found = `${files.length} files, none of them an accepted image`;
    throw badInput({ file: 'upload', field: 'files', expected: 'at least one image', found });
  }
  const kept = candidates.flatMap(({ row }) => row ?? []);
  const labelSpaces = table ? labelSpacesOf(kept, table.tasks) : [];
  const { splits, ofSubject } = assignSplits(candidates, options);
  return {
    format: 'image-folder',
    deidentification: deidentification(options),
    normalisation: Object.fromEntries(candidates.map(({ modality }) => [modality, ruleFor(modality)])),
    splits,
    labelSpaces,
    files: sorted,
    total: candidates.length,
    images: (signal) => readImages(folder, candidates, { labelSpaces, ofSubject, options, refuse, signal }),
  };
}

function rowsByFile(
  rows: readonly LabelRow[],
  images: readonly SourceFile[],
  refuse: (path: string, error: unknown) => void,
): Map<string, LabelRow> {
  const paths = new Set(images.map(({ path }) => path));
  const byFile = new Map<string, LabelRow>();
  for (const row of rows) {
    const field = `line ${row.line}, file`;
    const first = byFile.get(row.file);
    if (first) {
      const found = `${row.file} again, after line ${first.line}`;
      refuse(row.file, badInput({ file: LABELS_FILE, field, expected: 'every file once', found }));
    } else if (!paths.has(row.file)) {
      const expected = 'the path of an ingested image';
      refuse(row.file, badInput({ file: LABELS_FILE, field, expected, found: row.file.slice(0, 200) }));
    } else byFile.set(row.file, row);
  }
  return byFile;
}

async function identify(
  folder: string,
  images: readonly SourceFile[],
  rows: Map<string, LabelRow> | undefined,
  options: SourceOptions,
  refuse: (path: string, error: unknown) => void,
): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  const seen = new Map<string, string>();
  for (const file of images) {
    try {
      const row = rows?.get(file.path);
      if (rows && !row) {
        const expected = `a row in ${LABELS_FILE}`;
        throw badInput({ file: file.path, field: 'label', expected, found: 'none' });
      }
      const twin = seen.get(file.sha256);
      if (twin) {
        const expected = 'every image once';
        throw badInput({ file: file.path, field: 'content', expected, found: `the bytes of ${twin}` });
      }
      candidates.push(await identifyOne(folder, file, row, options));
      seen.set(file.sha256, file.path);
    } catch (error) {
      refuse(file.path, error);
    }
  }
  return candidates;
}

async function identifyOne(
  folder: string,
  file: SourceFile,
  row: LabelRow | undefined,
  options: SourceOptions,
): Promise<Candidate> {
  if (file.bytes > MAX_IMAGE_BYTES) {
    const found = `${file.bytes} bytes`;
    throw badInput({ file: file.path, field: 'size', expected: `at most ${MAX_IMAGE_BYTES} bytes`, found });
  }
  const format = await formatOf(folder, file);
  const dicom =
    format === 'dicom' ? readDicomIdentity(await readClean(folder, file, options), file.path) : undefined;
  return {
    file,
    format,
    row,
    subject: subjectOf(row?.subject, dicom?.patientId, options) ?? `file-${file.sha256.slice(0, 16)}`,
    modality: row?.modality ?? dicom?.modality ?? options.modality ?? 'unknown',
    bodyPart: row?.bodyPart,
  };
}

async function formatOf(folder: string, file: SourceFile): Promise<ImageFormat> {
  const [, extension] = /(\.nii\.gz|\.[^./]*)$/.exec(file.path.toLowerCase()) ?? [];
  const named = imageFormatOf(file.path);
  if (named) return named;
  if (extension === undefined && isDicom(await readVerified(folder, file))) return 'dicom';
  const expected = `${IMAGE_EXTENSIONS}, or a DICOM file without an extension`;
  throw badInput({ file: file.path, field: 'format', expected, found: extension ?? 'another file' });
}

function subjectOf(
  named: string | undefined,
  patientId: string | undefined,
  options: SourceOptions,
): string | undefined {
  if (named !== undefined) return pseudonym(named, options);
  // A cleaned file's PatientID is the pseudonym.
  if (patientId === undefined || options.deidentification) return patientId;
  return pseudonym(patientId, options);
}

function pseudonym(name: string, { synthetic, pseudonymKey }: SourceOptions): string {
  return synthetic ? name : createHmac('sha256', pseudonymKey).update(name).digest('hex').slice(0, 32);
}

function deidentification({ synthetic }: SourceOptions) {
  if (synthetic) return { profile: 'synthetic', notes: ['Generated data: no patient.'] };
  return {
    profile: 'pixels-only',
    notes: [
      'Only pixels, geometry, modality, a listed body part and labels were kept; no header, no file name.',
      'subject is HMAC-SHA256 of PatientID or of the subject column, under the key of the installation; a file with neither is its own subject.',
      'Pixels were not searched for text or faces.',
    ],
  };
}

function assignSplits(
  candidates: readonly Candidate[],
  { fractions, splitSeed }: SourceOptions,
): { splits: ImageSource['splits']; ofSubject: Map<string, Split> } {
  const given = candidates.some(({ row }) => row?.split !== undefined);
  if (given) return { splits: { policy: 'given', seed: 0 }, ofSubject: givenSplits(candidates) };
  const strata = new Map<string, Set<string>>();
  for (const { subject, row } of candidates) {
    const classes = strata.get(subject) ?? new Set();
    for (const [task, name] of Object.entries(row?.classes ?? {})) classes.add(`${task}=${name}`);
    strata.set(subject, classes);
  }
  const signatures = new Map([...strata].map(([subject, classes]) => [subject, [...classes].sort().join()]));
  return {
    splits: { policy: 'by-subject', seed: splitSeed, fractions: { ...fractions } },
    ofSubject: splitSubjects(signatures, fractions, splitSeed),
  };
}

function givenSplits(candidates: readonly Candidate[]): Map<string, Split> {
  const ofSubject = new Map<string, Split>();
  for (const { row, subject } of candidates) {
    const split = row!.split!;
    const other = ofSubject.get(subject);
    if (other && other !== split) {
      const expected = `${other}, as the subject's other images`;
      throw badInput({ file: LABELS_FILE, field: `line ${row!.line}, split`, expected, found: split });
    }
    ofSubject.set(subject, split);
  }
  refuseEmptySplits(ofSubject.values(), ['train', 'val', 'test']);
  return ofSubject;
}

function refuseEmptySplits(found: Iterable<Split>, expected: readonly Split[]): void {
  const there = new Set(found);
  const empty = expected.find((split) => !there.has(split));
  if (!empty) return;
  throw badInput({
    file: LABELS_FILE,
    field: 'split',
    expected: `at least one ${empty} image`,
    found: 'none',
  });
}

interface Reading {
  labelSpaces: LabelSpace[];
  ofSubject: Map<string, Split>;
  options: SourceOptions;
  refuse: (path: string, error: unknown) => void;
  signal: AbortSignal | undefined;
}

async function* readImages(
  folder: string,
  candidates: readonly Candidate[],
  reading: Reading,
): AsyncIterable<SourceImage> {
  const read = async (candidate: Candidate): Promise<SourceImage | undefined> => {
    if (reading.signal?.aborted) throw new MedformerError('CANCELLED', 'cancelled by the caller');
    try {
      return await readImage(folder, candidate, reading);
    } catch (error) {
      reading.refuse(candidate.file.path, error);
      return undefined;
    }
  };
  const splits = new Set<Split>();
  for await (const image of mapInOrder(candidates, DECODES_IN_FLIGHT, read)) {
    if (!image) continue;
    splits.add(image.split);
    yield image;
  }
  refuseEmptySplits(splits, [...new Set(reading.ofSubject.values())]);
}

async function readImage(folder: string, candidate: Candidate, reading: Reading): Promise<SourceImage> {
  const { file, format, row, subject, modality } = candidate;
  const bytes = await (format === 'dicom'
    ? readClean(folder, file, reading.options)
    : readVerified(folder, file));
  const voxels = await decodeImage(format, bytes, file.path);
  const pixels = normalise(voxels, format === 'raster' ? RASTER_RULE : ruleFor(modality));
  const labels: Record<string, number> = {};
  for (const { task, classes } of reading.labelSpaces) {
    const name = row?.classes[task];
    if (name !== undefined) labels[task] = classes.indexOf(name);
  }
  return {
    id: imageId(file.sha256, '0'),
    subject,
    split: reading.ofSubject.get(subject)!,
    modality,
    bodyPart: candidate.bodyPart ?? voxels.bodyPart ?? reading.options.bodyPart ?? 'unknown',
    shape: voxels.shape,
    pixelType: pixels instanceof Uint16Array ? 'uint16' : 'uint8',
    ...(voxels.spacingMm ? { spacingMm: voxels.spacingMm } : {}),
    labels,
    source: file.sha256,
    pixels,
  };
}

async function readClean(
  folder: string,
  file: SourceFile,
  { deidentification }: SourceOptions,
): Promise<Uint8Array> {
  const bytes = await readVerified(folder, file);
  return deidentification ? deidentification.clean(bytes, file.path) : bytes;
}

async function readVerified(folder: string, file: SourceFile): Promise<Buffer> {
  const bytes = await readFile(join(folder, file.path));
  if (sha256(bytes) === file.sha256) return bytes;
  throw new MedformerError('DATA_LOSS', `${file.path}: its bytes changed since they were announced`);
}
