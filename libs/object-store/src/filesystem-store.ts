import { randomUUID } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MedformerError } from '@medformer/schema';
import { checkKey, checkPrefix, checkSize } from './key.js';
import type { GetOptions, ObjectInfo, ObjectStore } from './object-store.js';

/** Unfinished writes live here; the name is no key, so no listing shows it. */
const STAGING = '.staging';
const STAGING_LIFETIME_MS = 60 * 60 * 1000;

/**
 * A store in a folder of one machine. A write goes to a staging file that is synced and then renamed (or, for
 * `ifAbsent`, hard-linked, which fails if the name exists): readers, also in other processes, see the whole object or none,
 * and what `put` reported survives a power cut.
 */
export async function openFilesystemStore(root: string): Promise<ObjectStore> {
  await mkdir(join(root, STAGING), { recursive: true });
  await removeStaleStaging(root);
  return new FilesystemStore(root);
}

class FilesystemStore implements ObjectStore {
  constructor(private readonly root: string) {}

  async put(key: string, bytes: Uint8Array, options?: { ifAbsent?: boolean }): Promise<'created' | 'exists'> {
    checkKey(key);
    checkSize(key, bytes);
    const target = join(this.root, key);
    if (options?.ifAbsent && (await this.head(key))) return 'exists';
    const staged = join(this.root, STAGING, randomUUID());
    try {
      await writeSynced(staged, bytes);
      const firstCreated = await mkdir(dirname(target), { recursive: true });
      if (options?.ifAbsent) await link(staged, target);
      else await rename(staged, target);
      await syncFolders(dirname(target), firstCreated ? dirname(firstCreated) : dirname(target));
      return 'created';
    } catch (error) {
      if (options?.ifAbsent && errno(error) === 'EEXIST' && (await this.head(key))) return 'exists';
      throw storeError(error, key);
    } finally {
      await unlink(staged).catch(() => undefined);
    }
  }

  async get(key: string, options?: GetOptions): Promise<Buffer> {
    checkKey(key);
    try {
      if (options?.range) return await readRange(join(this.root, key), options.range);
      return await readFile(join(this.root, key), options?.signal ? { signal: options.signal } : {});
    } catch (error) {
      if (options?.signal?.aborted) throw new MedformerError('CANCELLED', `reading ${key} was cancelled`);
      throw storeError(error, key);
    }
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    checkKey(key);
    try {
      const found = await stat(join(this.root, key));
      return found.isFile() ? { key, bytes: found.size, lastModified: found.mtime } : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw storeError(error, key);
    }
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    checkPrefix(prefix);
    // Not from the root on: beside a run's own folder there may be ten thousand others.
    yield* this.walk(prefix.slice(0, prefix.lastIndexOf('/') + 1), prefix);
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    try {
      await unlink(join(this.root, key));
    } catch (error) {
      if (!isMissing(error)) throw storeError(error, key);
    }
  }

  async ping(): Promise<void> {
    try {
      await readdir(join(this.root, STAGING));
    } catch (cause) {
      throw new MedformerError('UNAVAILABLE', 'the object store folder cannot be read', { cause });
    }
  }

  private async *walk(folder: string, prefix: string): AsyncIterable<ObjectInfo> {
    for (const entry of await this.entries(folder)) {
      const path = folder + entry.name;
      if (entry.isDirectory()) {
        const inside = `${path}/`;
        if (inside.startsWith(prefix)) yield* this.walk(inside, prefix);
      } else if (path.startsWith(prefix)) {
        const found = await this.head(path);
        if (found) yield found;
      }
    }
  }

  /** Key order is the order of whole keys, in which a folder sorts by its name with the slash. */
  private async entries(folder: string): Promise<Dirent[]> {
    const sortName = (entry: Dirent) => (entry.isDirectory() ? `${entry.name}/` : entry.name);
    try {
      const entries = await readdir(join(this.root, folder), { withFileTypes: true });
      return entries
        .filter((entry) => !entry.name.startsWith('.'))
        .sort((x, y) => (sortName(x) < sortName(y) ? -1 : 1));
    } catch (error) {
      if (isMissing(error)) return [];
      throw storeError(error, folder);
    }
  }
}

async function readRange(path: string, { from, length }: { from: number; length: number }): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const bytes = Buffer.alloc(Math.max(0, Math.min(length, (await file.stat()).size - from)));
    await file.read(bytes, 0, bytes.length, from);
    return bytes;
  } finally {
    await file.close();
  }
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A new name is durable once its folder is synced, and a new folder once its parent is: from `inner` out to `outer`. */
async function syncFolders(inner: string, outer: string): Promise<void> {
  for (let folder = inner; folder.length >= outer.length; folder = dirname(folder)) {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (folder === outer) return;
  }
}

async function removeStaleStaging(root: string): Promise<void> {
  for (const name of await readdir(join(root, STAGING))) {
    const path = join(root, STAGING, name);
    const age = Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now());
    if (age > STAGING_LIFETIME_MS) await unlink(path).catch(() => undefined);
  }
}

function storeError(error: unknown, key: string): MedformerError {
  if (error instanceof MedformerError) return error;
  switch (errno(error)) {
    case 'ENOENT':
      return new MedformerError('NOT_FOUND', `object ${key} does not exist`, { cause: error });
    case 'EEXIST':
    case 'ENOTDIR':
    case 'EISDIR':
      return new MedformerError(
        'FAILED_PRECONDITION',
        `object ${key}: another key is its folder or inside it`,
        {
          cause: error,
        },
      );
    case 'ENOSPC':
    case 'EDQUOT':
      return new MedformerError('RESOURCE_EXHAUSTED', 'the object store is full', { cause: error });
    default:
      return new MedformerError('UNAVAILABLE', `object ${key}: the store failed (${errno(error)})`, {
        cause: error,
      });
  }
}

function isMissing(error: unknown): boolean {
  return errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR';
}

function errno(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException)?.code;
}
