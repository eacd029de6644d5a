import { badInput } from '@medformer/schema';
import { parse } from 'csv-parse/sync';

/** What the path of a file in a BIDS data set says (BIDS 1.10, "Filesystem structure"). */
export interface BidsPlace {
  /** With its prefix, e.g. `sub-01`. */
  subject: string;
  modality: string | undefined;
}

const MODALITY_BY_FOLDER: Readonly<Record<string, string>> = {
  anat: 'mri',
  func: 'mri',
  dwi: 'mri',
  fmap: 'mri',
  perf: 'mri',
  mrs: 'mri',
  pet: 'pet',
  ct: 'ct',
  micr: 'microscopy',
};

const PLACE = /^(sub-[0-9a-zA-Z]+)\/(?:ses-[0-9a-zA-Z]+\/)?([a-z]+)\/[^/]+$/;
/** Beside the images: results of others' work, originals, programs, and tables of the images. */
const BESIDE =
  /^(derivatives|sourcedata|rawdata|code|stimuli|phenotype)\/|\.(tsv|bvec|bval|tsv\.gz|bidsignore)$|(^|\/)(CHANGES)$/;
const MAX_CLASSES = 50;

export const PARTICIPANTS_FILE = 'participants.tsv';

/** True for a folder that says that it is a BIDS data set. */
export function isBids(paths: readonly string[]): boolean {
  return paths.includes('dataset_description.json') && paths.some((path) => PLACE.test(path));
}

export function besidesBidsImages(path: string): boolean {
  return BESIDE.test(path);
}

export function bidsPlace(path: string): BidsPlace | undefined {
  const [, subject, folder] = PLACE.exec(path) ?? [];
  return subject ? { subject, modality: MODALITY_BY_FOLDER[folder!] } : undefined;
}

export interface Participants {
  /** Columns with 2 to 50 words; numbers, as ages are, are no classes. */
  tasks: string[];
  /** Class name by task, by participant. */
  classes: Map<string, Record<string, string>>;
}

/** @throws MedformerError INVALID_ARGUMENT naming line and column. */
export function parseParticipants(bytes: Uint8Array): Participants {
  const rows = parseTable(bytes);
  const [header = [], ...lines] = rows;
  if (header[0] !== 'participant_id') {
    const found = (header[0] ?? 'nothing').slice(0, 40);
    throw refuse('header', 'participant_id as the first column', found);
  }
  const classes = new Map<string, Record<string, string>>();
  for (const [index, [id = '']] of lines.entries()) {
    if (!/^sub-[0-9a-zA-Z]+$/.test(id)) throw refuse(`line ${index + 2}`, 'sub-<label>', 'another name');
    if (classes.has(id)) throw refuse(`line ${index + 2}`, 'every participant once', 'one again');
    classes.set(id, {});
  }
  const tasks: string[] = [];
  for (const [column, title] of header.entries()) {
    const task = title
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-|-$/g, '');
    const values = lines
      .map((cells) => cells[column]?.trim() ?? '')
      .map((cell) => (cell === 'n/a' ? '' : cell));
    const words = new Set(values.filter((value) => value !== ''));
    const numeric = [...words].every((word) => Number.isFinite(Number(word)));
    if (column === 0 || numeric || words.size < 2 || words.size > MAX_CLASSES || !task || task.length > 64)
      continue;
    tasks.push(task);
    for (const [index, value] of values.entries()) if (value) classes.get(lines[index]![0]!)![task] = value;
  }
  return { tasks, classes };
}

function parseTable(bytes: Uint8Array): string[][] {
  try {
    return parse(Buffer.from(bytes), { bom: true, delimiter: '\t', quote: null, skip_empty_lines: true });
  } catch (cause) {
    const { code = 'malformed', lines } = cause as { code?: string; lines?: number };
    throw refuse(`line ${lines}`, 'tab-separated values', code);
  }
}

function refuse(field: string, expected: string, found: string) {
  return badInput({ file: PARTICIPANTS_FILE, field, expected, found });
}
