import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import {
  AuditLog,
  auditedFile,
  cleanLabels,
  deidentifyFile,
  deidentifyNiftiPair,
  isMediaDirectory,
  type Profile,
  profileOf,
} from '@medformer/deidentify';
import { canonicalJson, MedformerError, toMedformerError } from '@medformer/schema';
import type { Terminal } from '../terminal.js';

const LABELS_FILE = 'labels.csv';
/** Documentation and bookkeeping beside the images, which may name anyone. */
const NO_IMAGE = /(^|\/)(readme|licen[cs]e|notice|thumbs\.db)$|\.(txt|md|json|html|pdf|csv|tsv|xml|log)$/i;
const MAX_FILE_BYTES = 4 * 2 ** 30 - 1;

export interface FolderOutcome {
  folder: string;
  files: number;
  refused: { path: string; reason: string }[];
  /** Files that are no images, apart from labels.csv. */
  leftOut: number;
  auditFile: string;
}

export interface FolderOptions {
  settings: Record<string, unknown>;
  /** Columns of labels.csv that stay. */
  labels: readonly string[];
  skipBadFiles: boolean;
  terminal: Terminal;
  signal: AbortSignal;
}

/**
 * Writes a folder of cleaned copies under new names, and beside it `<target>.audit.json`. Files that cannot be cleaned are
 * not copied.
 *
 * @throws MedformerError INVALID_ARGUMENT where files were refused, unless they are to be skipped, and for a target that
 * has files or lies in the source; CANCELLED
 */
export async function deidentifyFolder(
  source: string,
  target: string,
  { settings, labels, skipBadFiles, terminal, signal }: FolderOptions,
): Promise<FolderOutcome> {
  const profile = profileOf(settings as Parameters<typeof profileOf>[0]);
  await checkTarget(source, target);
  const all = await listFiles(source);
  const images = all.filter(
    (path) => path !== LABELS_FILE && !NO_IMAGE.test(path) && !isHalfOfPair(path, all),
  );
  const log = new AuditLog(profile);
  const refused: FolderOutcome['refused'] = [];
  const renamed = new Map<string, string>();
  const directories: string[] = [];
  const progress = terminal.progress('deidentify');
  try {
    for (const [index, path] of images.entries()) {
      if (signal.aborted) throw new MedformerError('CANCELLED', 'cancelled');
      try {
        const copied = await copyOne({ source, target, path, all, profile, log });
        if (copied === undefined) directories.push(path);
        else renamed.set(path, copied);
      } catch (error) {
        const { code, message } = toMedformerError(error);
        if (code !== 'INVALID_ARGUMENT') throw error;
        refused.push({ path, reason: message });
      }
      progress.update(index + 1, images.length, 'files');
    }
  } finally {
    progress.stop();
  }
  for (const { reason } of refused) terminal.note(`refused ${reason}`);
  if (all.includes(LABELS_FILE)) {
    const table = cleanLabels(await readFile(join(source, LABELS_FILE)), renamed, {
      key: profile.key,
      columns: labels,
      file: LABELS_FILE,
    });
    await writeNew(join(target, LABELS_FILE), Buffer.from(table));
  }
  const auditFile = `${target.replace(/[\\/]+$/, '')}.audit.json`;
  await writeFile(auditFile, log.records(Number.POSITIVE_INFINITY).map(canonicalJson).join(''));
  if (refused.length > 0 && !skipBadFiles) {
    const files = `${refused.length} of ${images.length} files were refused and are not in ${target}`;
    throw new MedformerError('INVALID_ARGUMENT', `${files}; --skip-bad-files takes that for done`);
  }
  const leftOut =
    all.filter((path) => path !== LABELS_FILE && NO_IMAGE.test(path)).length + directories.length;
  return { folder: target, files: renamed.size, refused, leftOut, auditFile };
}

interface Copying {
  source: string;
  target: string;
  path: string;
  all: readonly string[];
  profile: Profile;
  log: AuditLog;
}

/** The new path; undefined for a directory of a medium, which is made anew for other files. */
async function copyOne({ source, target, path, all, profile, log }: Copying): Promise<string | undefined> {
  const bytes = await readLimited(join(source, path));
  const image = imageOf(path, all);
  if (image !== undefined) {
    const voxels = await readLimited(join(source, image));
    const { hdr, img, outcome } = deidentifyNiftiPair(bytes, voxels, path, profile);
    await writeNew(join(target, hdr.path), hdr.bytes);
    await writeNew(join(target, img.path), img.bytes);
    log.add(auditedFile(profile.key, bytes, { bytes: hdr.bytes, outcome }));
    log.add(auditedFile(profile.key, voxels, { bytes: img.bytes, outcome }));
    return hdr.path;
  }
  if (isMediaDirectory(bytes)) return undefined;
  const clean = deidentifyFile(bytes, path, profile);
  await writeNew(join(target, clean.path), clean.bytes, path);
  log.add(auditedFile(profile.key, bytes, clean));
  return clean.path;
}

function imageOf(path: string, all: readonly string[]): string | undefined {
  if (!/\.hdr$/i.test(path)) return undefined;
  return all.find(
    (other) => other !== path && /\.img$/i.test(other) && other.slice(0, -4) === path.slice(0, -4),
  );
}

function isHalfOfPair(path: string, all: readonly string[]): boolean {
  return /\.img$/i.test(path) && all.some((other) => imageOf(other, all) === path);
}

async function checkTarget(source: string, target: string): Promise<void> {
  const info = await stat(source).catch(() => undefined);
  if (!info?.isDirectory()) throw new MedformerError('NOT_FOUND', `${source}: no such folder`);
  if (`${resolve(target)}${sep}`.startsWith(`${resolve(source)}${sep}`)) {
    throw new MedformerError('INVALID_ARGUMENT', `${target}: lies in the folder of the originals`);
  }
  const there = await readdir(target).catch(() => []);
  if (there.length > 0) throw new MedformerError('INVALID_ARGUMENT', `${target}: is not empty`);
}

async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !path.split('/').some((part) => part.startsWith('.')))
    .sort();
}

async function readLimited(path: string): Promise<Buffer> {
  const { size } = await stat(path);
  if (size <= MAX_FILE_BYTES) return readFile(path);
  throw new MedformerError(
    'INVALID_ARGUMENT',
    `${path}: expected at most ${MAX_FILE_BYTES} bytes, found ${size}`,
  );
}

/** A file of its own: two originals of one name, say one instance twice, are not merged. */
async function writeNew(path: string, bytes: Uint8Array, original?: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  try {
    await writeFile(path, bytes, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const what = 'SOPInstanceUID: expected every instance once, found it again';
    throw new MedformerError('INVALID_ARGUMENT', `${original ?? 'file'}: ${what}`);
  }
}
