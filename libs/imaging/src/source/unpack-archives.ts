import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { badInput, MedformerError } from '@medformer/schema';
import { extract } from 'tar-stream';
import { openZip } from '../npz/zip-archive.js';
import type { LocatedFile, SourceFile } from './image-source.js';
import { isSafeRelativePath } from './relative-path.js';

/** An archive in an archive in an archive is the deepest that is opened. */
const MAX_DEPTH = 3;
const MAX_FILES = 1_000_000;
/** A gzip stream may not expand more than this beyond the free bytes; images stay far below. */
const EXPANSION_LIMIT = 200;
const EXPANSION_FREE_BYTES = 64 * 1024 * 1024;
const ARCHIVE = /\.(zip|tar|tar\.gz|tgz)$/i;

export function isArchive(path: string): boolean {
  return ARCHIVE.test(path);
}

/** What an upload's archives may hold in all. */
interface Budget {
  bytes: number;
  files: number;
}

/**
 * The files of an upload with those of its archives (.zip, .tar, .tar.gz) in their place, as `archive.zip/inner/path`;
 * of an upload that is one archive, without its name. Archives are streamed to a folder beside the upload's, piece by
 * piece, and what they hold is counted as it comes, whatever they declare.
 *
 * @param refuse hears of archives that are refused whole: bombs, paths that lead out, links, devices, damage.
 */
export async function unpackArchives(
  folder: string,
  files: readonly SourceFile[],
  maxBytes: number,
  refuse: (path: string, error: unknown) => void,
): Promise<LocatedFile[]> {
  const budget: Budget = { bytes: maxBytes, files: MAX_FILES };
  const found: LocatedFile[] = [];
  for (const file of files) {
    const location = join(folder, file.path);
    found.push(...(await opened({ ...file, location }, join(folder, '..', 'unpacked'), 1, budget, refuse)));
  }
  const [only] = files;
  if (!only || files.length > 1 || !isArchive(only.path)) return found;
  return found.map((file) => ({ ...file, path: file.path.slice(only.path.length + 1) }));
}

async function opened(
  file: LocatedFile,
  scratch: string,
  depth: number,
  budget: Budget,
  refuse: (path: string, error: unknown) => void,
): Promise<LocatedFile[]> {
  if (!isArchive(file.path)) return [file];
  try {
    if (depth > MAX_DEPTH) {
      const expected = `at most ${MAX_DEPTH} archives inside each other`;
      throw badInput({ file: file.path, field: 'archive', expected, found: 'more' });
    }
    const target = join(scratch, file.sha256);
    await rm(target, { recursive: true, force: true });
    await mkdir(target, { recursive: true });
    const unpack = /\.zip$/i.test(file.path) ? unzip : untar;
    const inner = await unpack(file, target, budget);
    const all: LocatedFile[] = [];
    for (const one of inner) all.push(...(await opened(one, target, depth + 1, budget, refuse)));
    return all;
  } catch (error) {
    refuse(file.path, error);
    return [];
  }
}

async function unzip(archive: LocatedFile, target: string, budget: Budget): Promise<LocatedFile[]> {
  const zip = await openZip(archive.location, archive.path, budget.bytes);
  try {
    const files: LocatedFile[] = [];
    for (const entry of zip.entries.values()) {
      if (entry.name.endsWith('/')) continue;
      if (entry.link) throw linked(archive.path, entry.name);
      files.push(await store(archive.path, entry.name, entry.read(), target, files.length, budget));
    }
    return files;
  } finally {
    await zip.close();
  }
}

async function untar(archive: LocatedFile, target: string, budget: Budget): Promise<LocatedFile[]> {
  const files: LocatedFile[] = [];
  const names = new Set<string>();
  const bytes = createReadStream(archive.location);
  const tar = extract();
  const gzip = /gz$/i.test(archive.path);
  const fed = gzip ? pipeline(bytes, createGunzip(), expansionLimit(archive), tar) : pipeline(bytes, tar);
  // Seen below, where the entries end; a failure there must not be a second one here.
  fed.catch(() => undefined);
  try {
    for await (const entry of tar) {
      const { name, type } = entry.header;
      const path = name.replace(/^(\.\/)+/, '');
      if (type === 'symlink' || type === 'link') throw linked(archive.path, path);
      if (type === 'directory' || path === '') {
        entry.resume();
        continue;
      }
      if (type !== 'file' && type !== 'contiguous-file') {
        throw badInput({ file: archive.path, field: quoted(path), expected: 'files', found: `a ${type}` });
      }
      if (names.has(path)) {
        throw badInput({
          file: archive.path,
          field: quoted(path),
          expected: 'one entry of this name',
          found: 'two',
        });
      }
      names.add(path);
      files.push(
        await store(archive.path, path, entry as AsyncIterable<Buffer>, target, files.length, budget),
      );
    }
    await fed;
    return files;
  } catch (cause) {
    if (cause instanceof MedformerError) throw cause;
    const { code = 'damaged' } = cause as NodeJS.ErrnoException;
    const found = `damaged or truncated data (${code})`;
    throw badInput(
      { file: archive.path, field: 'archive', expected: 'a whole tar archive', found },
      { cause },
    );
  } finally {
    tar.destroy();
    bytes.destroy();
  }
}

function expansionLimit(archive: LocatedFile) {
  return async function* limited(pieces: AsyncIterable<Buffer>) {
    let produced = 0;
    for await (const piece of pieces) {
      produced += piece.length;
      if (produced > Math.max(EXPANSION_FREE_BYTES, archive.bytes * EXPANSION_LIMIT)) {
        const expected = `at most ${EXPANSION_LIMIT} times ${archive.bytes} bytes inside`;
        throw badInput({ file: archive.path, field: 'gzip', expected, found: 'more' });
      }
      yield piece;
    }
  };
}

async function store(
  archive: string,
  name: string,
  pieces: AsyncIterable<Uint8Array>,
  target: string,
  index: number,
  budget: Budget,
): Promise<LocatedFile> {
  if (!isSafeRelativePath(name)) {
    const expected = 'a relative path with forward slashes and without . or ..';
    throw badInput({ file: archive, field: quoted(name), expected, found: 'another one' });
  }
  budget.files -= 1;
  if (budget.files < 0) {
    throw badInput({ file: archive, field: 'files', expected: `at most ${MAX_FILES}`, found: 'more' });
  }
  // By number: names of the archive become no names of this machine's file system.
  const location = join(target, String(index));
  const hash = createHash('sha256');
  let bytes = 0;
  async function* counted() {
    for await (const piece of pieces) {
      bytes += piece.length;
      budget.bytes -= piece.length;
      if (budget.bytes < 0) {
        throw badInput({
          file: archive,
          field: quoted(name),
          expected: 'an archive within its limit',
          found: 'more bytes',
        });
      }
      hash.update(piece);
      yield piece;
    }
  }
  await mkdir(dirname(location), { recursive: true });
  await pipeline(Readable.from(counted()), createWriteStream(location));
  return { path: `${archive}/${name}`, bytes, sha256: hash.digest('hex'), location };
}

function linked(archive: string, name: string): MedformerError {
  return badInput({ file: archive, field: quoted(name), expected: 'files, no links', found: 'a link' });
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}
