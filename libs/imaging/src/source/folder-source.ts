import { badInput, type LabelSpace, MedformerError, type Split } from '@medformer/schema';
import { ruleFor } from '../normalise.js';
import {
  besidesBidsImages,
  isBids,
  PARTICIPANTS_FILE,
  type Participants,
  parseParticipants,
} from './bids.js';
import { type Candidate, findCandidates } from './candidates.js';
import { readVerified } from './decode-job.js';
import type { DecodePool } from './decode-pool.js';
import { openDecodePool } from './decode-pool.js';
import { DrawAgain } from './draw-again.js';
import {
  type ImageSource,
  imageId,
  type LocatedFile,
  type Refusal,
  type SourceFile,
  type SourceImage,
  type SourceOptions,
} from './image-source.js';
import { LABELS_FILE, type LabelRow, labelSpacesOf, parseLabelTable } from './labels-csv.js';
import { mapInOrder } from './map-in-order.js';
import { splitSubjects } from './split-subjects.js';
import { unpackArchives } from './unpack-archives.js';

/** Documentation and bookkeeping beside the images. */
const NO_IMAGE = /(^|\/)(\.[^/]*|readme|licen[cs]e|notice|thumbs\.db)$|\.(txt|md|json|html|pdf)$/i;

/**
 * A folder of PNG, JPEG, TIFF, NIfTI, DICOM and numpy files, in archives or not, with or without `labels.csv`; or a BIDS
 * data set, whose subjects and `participants.tsv` count. What a table says goes before what a file says, and that before
 * the options. Subjects of tables and PatientID become keyed hashes; a file of neither is its own subject. The slices of
 * a DICOM series become a volume; a row of `labels.csv` may name a file or a folder.
 *
 * Refused are rows without a file, files without a row, a path twice, equal bytes twice, unknown formats, series whose
 * geometry is no stack's, a subject in two given splits; with `skipBadFiles` single bad files and series are reported
 * to `onRefusal` and left out.
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
  const all = (await unpackArchives(folder, files, options.maxArchiveBytes, refuse)).sort((x, y) =>
    x.path < y.path ? -1 : 1,
  );
  const bids = isBids(all.map(({ path }) => path));
  const participants = bids ? await readParticipants(all) : undefined;
  const sorted = all.filter(({ path }) => !NO_IMAGE.test(path) && !(bids && besidesBidsImages(path)));
  const tableFile = sorted.find(({ path }) => path === LABELS_FILE);
  const images = sorted.filter((file) => file !== tableFile);
  const table = tableFile && parseLabelTable(await readVerified(tableFile));
  const rows = table && rowsByFile(table.rows, images, refuse);
  const candidates = await findCandidates(images, {
    rows: rows ?? participantRows(participants, images),
    bids,
    options,
    refuse,
  });
  if (candidates.length === 0) {
    const found = `${files.length} files, none of them an accepted image`;
    throw badInput({ file: 'upload', field: 'files', expected: 'at least one image', found });
  }
  const kept = candidates.flatMap(({ row }) => row ?? []);
  const tasks = table ? table.tasks : (participants?.tasks ?? []);
  const labelSpaces = labelSpacesOf(kept, tasks, table ? LABELS_FILE : PARTICIPANTS_FILE);
  const { splits } = assignSplits(candidates, options);
  const left = new Set(candidates);
  const ruleOf = (modality: string) => options.normalisation?.[modality] ?? ruleFor(modality);
  return {
    format: 'image-folder',
    deidentification: deidentification(options),
    normalisation: Object.fromEntries(candidates.map(({ modality }) => [modality, ruleOf(modality)])),
    ...(options.resampling ? { resampling: options.resampling } : {}),
    splits,
    labelSpaces,
    files: sorted.map(({ location: _location, ...file }) => file),
    total: candidates.reduce((sum, { frames }) => sum + frames, 0),
    images: (signal) => {
      const now = [...left];
      const { ofSubject } = assignSplits(now, options);
      const bad = (candidate: Candidate, error: unknown) => {
        refuse(candidate.name, error);
        left.delete(candidate);
      };
      return readImages(now, { labelSpaces, splits, ofSubject, options, bad, signal, ruleOf });
    },
  };
}

async function readParticipants(files: readonly LocatedFile[]): Promise<Participants | undefined> {
  const table = files.find(({ path }) => path === PARTICIPANTS_FILE);
  return table && parseParticipants(await readVerified(table));
}

/** A participant's labels are those of every file in the participant's folder. */
function participantRows(
  participants: Participants | undefined,
  images: readonly LocatedFile[],
): Map<string, LabelRow> | undefined {
  if (!participants) return undefined;
  const rows = new Map<string, LabelRow>();
  for (const folder of new Set(images.map(({ path }) => path.split('/', 1)[0]!))) {
    rows.set(folder, {
      file: folder,
      line: 0,
      subject: folder,
      classes: participants.classes.get(folder) ?? {},
    });
  }
  return rows;
}

function rowsByFile(
  rows: readonly LabelRow[],
  images: readonly SourceFile[],
  refuse: (path: string, error: unknown) => void,
): Map<string, LabelRow> {
  const paths = new Set(images.flatMap(({ path }) => [path, ...foldersOf(path)]));
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

function foldersOf(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
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
  const classes = new Map<string, Set<string>>();
  for (const { subject, row } of candidates) {
    const own = classes.get(subject) ?? new Set();
    for (const [task, name] of Object.entries(row?.classes ?? {})) own.add(`${task}=${name}`);
    classes.set(subject, own);
  }
  return {
    splits: { policy: 'by-subject', seed: splitSeed, fractions: { ...fractions } },
    ofSubject: splitSubjects(classes, fractions, splitSeed),
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
  splits: ImageSource['splits'];
  ofSubject: Map<string, Split>;
  options: SourceOptions;
  bad: (candidate: Candidate, error: unknown) => void;
  signal: AbortSignal | undefined;
  ruleOf: (modality: string) => ReturnType<typeof ruleFor>;
}

async function* readImages(candidates: readonly Candidate[], reading: Reading): AsyncIterable<SourceImage> {
  const bytes = candidates.reduce((sum, { files }) => files.reduce((all, file) => all + file.bytes, sum), 0);
  const pool = openDecodePool(candidates.length, { bytes });
  const read = async (candidate: Candidate): Promise<SourceImage[]> => {
    if (reading.signal?.aborted) throw new MedformerError('CANCELLED', 'cancelled by the caller');
    try {
      return await readCandidate(candidate, reading, pool);
    } catch (error) {
      reading.bad(candidate, error);
      return [];
    }
  };
  const splits = new Set<Split>();
  try {
    for await (const images of mapInOrder(candidates, pool.size + 1, read)) {
      for (const image of images) {
        splits.add(image.split);
        yield image;
      }
    }
  } finally {
    await pool.close();
  }
  const expected = [...new Set(reading.ofSubject.values())];
  const emptied = expected.some((split) => !splits.has(split));
  if (emptied && reading.splits.policy === 'by-subject' && splits.size > 0) throw new DrawAgain();
  refuseEmptySplits(splits, expected);
}

async function readCandidate(
  candidate: Candidate,
  reading: Reading,
  pool: DecodePool,
): Promise<SourceImage[]> {
  const { name, files, source, format, row, subject, modality } = candidate;
  const { deidentification, resampling } = reading.options;
  const items = await pool.run({
    name,
    format,
    files,
    rule: reading.ruleOf(modality),
    ...(resampling ? { resampling } : {}),
    ...(deidentification ? { deidentification: deidentification.profile } : {}),
  });
  const labels: Record<string, number> = {};
  for (const { task, classes } of reading.labelSpaces) {
    const label = row?.classes[task];
    if (label !== undefined) labels[task] = classes.indexOf(label);
  }
  return items.map(({ shape, pixels, spacingMm, orientation, normalisation, bodyPart }, frame) => ({
    id: imageId(source, String(frame)),
    subject,
    split: reading.ofSubject.get(subject)!,
    modality,
    bodyPart: candidate.bodyPart ?? bodyPart ?? reading.options.bodyPart ?? 'unknown',
    shape,
    pixelType: pixels instanceof Uint16Array ? ('uint16' as const) : ('uint8' as const),
    ...(spacingMm ? { spacingMm } : {}),
    ...(orientation ? { orientation } : {}),
    labels: { ...labels },
    source,
    ...(normalisation.length > 0 ? { normalisation } : {}),
    pixels,
  }));
}
