import { createHash, type Hash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { SourceFile } from '@medformer/imaging';
import {
  badInput,
  ContentHash,
  contentAddress,
  MedformerError,
  parseRecord,
  sha256,
} from '@medformer/schema';
import { z } from 'zod';
import type { DirectUploads } from './direct-uploads.js';
import { checkUploadPath } from './upload-path.js';

const Announced = z.array(
  z.object({ path: z.string(), bytes: z.number().int().min(0), sha256: ContentHash }),
);

const LIST = 'files.json';
/** No upload's id. */
const CONTENT = 'content';
const MAX_FILES = 1_000_000;
/** Lists kept in memory, so that an upload of many small files does not read its list for each. */
const KEPT_LISTS = 8;
const BATCH = 64;

/** A file that is not here whole: what it lacks begins at `offset`, unless all of it is PUT to `putUrl`. */
export interface MissingFile {
  path: string;
  offset: number;
  putUrl?: string | undefined;
}

/**
 * Files on their way in, on local disk: `<upload>/files.json` names them, `<upload>/partial/<hash of path>` holds what has
 * arrived of one, `<upload>/files/<path>` holds it whole and checked. The upload's id is the hash of its list, so that
 * the same files are the same upload, whoever sends them and however often they are interrupted. `content/<hash>` is a
 * second name of every whole file, by which other uploads have it too.
 */
export class UploadSpool {
  private readonly writers = new Map<string, Promise<unknown>>();
  private readonly lists = new Map<string, Map<string, SourceFile>>();

  constructor(
    private readonly root: string,
    private readonly direct?: DirectUploads,
  ) {}

  /** @throws MedformerError INVALID_ARGUMENT for paths that are unsafe, twice there, or each other's folder. */
  async begin(
    files: SourceFile[],
    options: { direct?: boolean } = {},
  ): Promise<{ id: string; missing: MissingFile[] }> {
    const announced = parseRecord(Announced, files, 'files').sort((x, y) => (x.path < y.path ? -1 : 1));
    refuseImpossibleLists(announced);
    const id = contentAddress(announced);
    const folder = join(this.root, id);
    await mkdir(join(folder, 'partial'), { recursive: true });
    const list = join(folder, `${LIST}.${process.pid}`);
    await writeFile(list, JSON.stringify(announced));
    await rename(list, join(folder, LIST));
    const missing = await mapInBatches(announced, async (file): Promise<MissingFile[]> => {
      if (await this.isHere(folder, file)) return [];
      const offset = (await sizeOf(join(folder, 'partial', sha256(file.path)))) ?? 0;
      if (!options.direct || offset > 0 || !this.direct) return [{ path: file.path, offset }];
      const offer = await this.direct.offer(file);
      return offer === 'arrived' ? [] : [{ path: file.path, offset, putUrl: offer }];
    });
    return { id, missing: missing.flat() };
  }

  /**
   * Appends to one file; with its last byte it is checked and takes its place. What arrived before a failure stays.
   *
   * @throws MedformerError NOT_FOUND for an upload or a path that was not begun; FAILED_PRECONDITION for an offset
   * beyond what is here; INVALID_ARGUMENT for more bytes than announced or bytes of another hash.
   */
  async write(id: string, path: string, offset: number, chunks: AsyncIterable<Uint8Array>): Promise<number> {
    const file = (await this.list(id)).get(path);
    if (!file) {
      throw new MedformerError('NOT_FOUND', `upload ${id} names no file ${JSON.stringify(path)}`, {
        logged: `upload ${id} names no such file`,
      });
    }
    const partial = join(this.root, id, 'partial', sha256(path));
    // A caller whose connection broke can be back before its last call has ended.
    const previous = this.writers.get(partial);
    const writing = Promise.resolve(previous)
      .catch(() => undefined)
      .then(() => this.append(id, file, partial, offset, chunks));
    this.writers.set(partial, writing);
    try {
      return await writing;
    } finally {
      if (this.writers.get(partial) === writing) this.writers.delete(partial);
    }
  }

  /**
   * The folder of a complete upload. Files that were PUT are fetched and checked first.
   * @throws MedformerError FAILED_PRECONDITION naming a file that is not whole yet; NOT_FOUND; INVALID_ARGUMENT for a
   * file that was PUT with another content.
   */
  async complete(id: string): Promise<{ folder: string; files: SourceFile[] }> {
    const files = [...(await this.list(id)).values()];
    const folder = join(this.root, id, 'files');
    const absent = (
      await mapInBatches(files, async (file) =>
        (await this.isHere(join(this.root, id), file)) ? [] : [file],
      )
    ).flat();
    await this.direct?.fetch(absent, (file, bytes) => this.place(id, file, bytes));
    await mapInBatches(absent, async ({ path, bytes }) => {
      if ((await sizeOf(join(folder, path))) === bytes) return;
      throw new MedformerError('FAILED_PRECONDITION', `upload ${id}: ${path} is not uploaded whole yet`, {
        logged: `upload ${id} is not whole yet`,
      });
    });
    const now = new Date();
    await utimes(join(this.root, id, LIST), now, now);
    return { folder, files };
  }

  /** Removes uploads that nobody began or ingested for so long. */
  async removeOlderThan(milliseconds: number): Promise<void> {
    const ids = await readdir(this.root).catch(() => []);
    for (const id of ids) {
      const { mtimeMs } = await stat(join(this.root, id, LIST)).catch(() => ({ mtimeMs: Number.NaN }));
      if (Date.now() - mtimeMs > milliseconds)
        await rm(join(this.root, id), { recursive: true, force: true });
    }
    const content = join(this.root, CONTENT);
    for (const name of await readdir(content).catch(() => [])) {
      const found = await stat(join(content, name)).catch(() => undefined);
      if (found?.nlink === 1) await rm(join(content, name), { force: true });
    }
    await this.direct?.removeOlderThan(milliseconds);
  }

  /** Whether the file is whole in its upload's folder, where it is put if another upload brought the same. */
  private async isHere(folder: string, file: SourceFile): Promise<boolean> {
    const target = join(folder, 'files', file.path);
    if ((await sizeOf(target)) === file.bytes) return true;
    const content = join(this.root, CONTENT, file.sha256);
    if ((await sizeOf(content)) !== file.bytes) return false;
    await mkdir(dirname(target), { recursive: true });
    return linked(content, target);
  }

  private async place(id: string, file: SourceFile, bytes: Uint8Array): Promise<void> {
    const arriving = join(this.root, id, 'partial', `${sha256(file.path)}.${randomUUID()}`);
    await writeFile(arriving, bytes);
    await this.takePlace(arriving, join(this.root, id, 'files', file.path), file);
  }

  /** A whole and checked file goes where ingests and other uploads find it. */
  private async takePlace(arrived: string, target: string, { sha256 }: SourceFile): Promise<void> {
    await mkdir(dirname(target), { recursive: true });
    await mkdir(join(this.root, CONTENT), { recursive: true });
    await rename(arrived, target);
    await linked(target, join(this.root, CONTENT, sha256));
  }

  /** The files of an upload by path; a list never changes, for the id is its hash. */
  private async list(id: string): Promise<Map<string, SourceFile>> {
    const known = this.lists.get(id);
    if (known) return known;
    const missing = new MedformerError('NOT_FOUND', `no upload ${JSON.stringify(id.slice(0, 80))} here`);
    if (!ContentHash.safeParse(id).success) throw missing;
    const json = await readFile(join(this.root, id, LIST), 'utf8').catch(() => {
      throw missing;
    });
    const files = parseRecord(Announced, JSON.parse(json), `upload ${id}`);
    const list = new Map(files.map((file) => [file.path, file]));
    if (this.lists.size >= KEPT_LISTS) this.lists.clear();
    this.lists.set(id, list);
    return list;
  }

  private async append(
    id: string,
    file: SourceFile,
    partial: string,
    offset: number,
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<number> {
    const target = join(this.root, id, 'files', file.path);
    if ((await sizeOf(target)) === file.bytes) return file.bytes;
    const size = (await sizeOf(partial)) ?? 0;
    if (offset > size) {
      throw new MedformerError(
        'FAILED_PRECONDITION',
        `${file.path}: offset ${offset} is beyond the ${size} bytes here`,
        { logged: `offset ${offset} is beyond the ${size} bytes here` },
      );
    }
    const hash = createHash('sha256');
    const handle = await open(partial, 'a');
    let written: number;
    try {
      await handle.truncate(offset);
      if (offset > 0) await hashFile(partial, hash);
      written = await appendChunks(handle, file, offset, chunks, hash);
    } finally {
      await handle.close();
    }
    if (written < file.bytes) return written;
    const found = hash.digest('hex');
    if (found !== file.sha256) {
      await rm(partial);
      throw badInput({ file: file.path, field: 'content', expected: `SHA-256 ${file.sha256}`, found });
    }
    await this.takePlace(partial, target, file);
    return written;
  }
}

async function appendChunks(
  handle: FileHandle,
  file: SourceFile,
  offset: number,
  chunks: AsyncIterable<Uint8Array>,
  hash: Hash,
): Promise<number> {
  let written = offset;
  for await (const chunk of chunks) {
    if (written + chunk.length > file.bytes) {
      const found = `at least ${written + chunk.length}`;
      throw badInput({ file: file.path, field: 'size', expected: `${file.bytes} bytes as announced`, found });
    }
    try {
      await handle.appendFile(chunk);
    } catch (cause) {
      const full = ['ENOSPC', 'EDQUOT'].includes((cause as NodeJS.ErrnoException).code ?? '');
      throw full ? new MedformerError('RESOURCE_EXHAUSTED', 'no room for uploads', { cause }) : cause;
    }
    hash.update(chunk);
    written += chunk.length;
  }
  return written;
}

async function hashFile(path: string, hash: Hash): Promise<void> {
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
}

function refuseImpossibleLists(files: SourceFile[]): void {
  if (files.length === 0 || files.length > MAX_FILES) {
    const found = String(files.length);
    throw badInput({ file: 'upload', field: 'files', expected: `1 to ${MAX_FILES} files`, found });
  }
  const paths = new Set<string>();
  for (const { path } of files) {
    checkUploadPath(path);
    if (paths.has(path))
      throw badInput({ file: path, field: 'path', expected: 'every path once', found: 'it twice' });
    paths.add(path);
  }
  for (const { path } of files) {
    const folders = path.split('/').slice(0, -1);
    folders.forEach((_, depth) => {
      const folder = folders.slice(0, depth + 1).join('/');
      if (!paths.has(folder)) return;
      throw badInput({
        file: path,
        field: 'path',
        expected: `${folder} to be a folder`,
        found: 'a file of that name',
      });
    });
  }
}

/** Results in order; file system calls overlap within a batch. */
async function mapInBatches<Item, Result>(
  items: readonly Item[],
  map: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let begin = 0; begin < items.length; begin += BATCH) {
    results.push(...(await Promise.all(items.slice(begin, begin + BATCH).map(map))));
  }
  return results;
}

/** Also where the name is there already. False where it went away, or has as many names as the disk allows. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code === 'EEXIST') return true;
    if (['ENOENT', 'EMLINK', 'EPERM', 'ENOTSUP'].includes(code)) return false;
    throw error;
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
  return found?.isFile() ? found.size : undefined;
}
