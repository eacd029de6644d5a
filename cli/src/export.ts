import { createHash } from 'node:crypto';
import { lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import {
  type ExportCheckpointRequest,
  type ExportCheckpointResponse,
  type ExportedFile,
  type ExportManifest,
  TrainerServiceService,
} from '@medformer/gen/trainer';
import { MedformerError } from '@medformer/schema';
import type { Context } from './context.js';

/**
 * Writes an export whole or not at all: a single file as `output`, several into a folder of that name.
 *
 * @throws MedformerError ALREADY_EXISTS when a folder would have to replace something, DATA_LOSS when the bytes that
 *   came are not those announced
 */
export async function exportTo(
  { connection }: Context,
  request: ExportCheckpointRequest,
  output: string,
): Promise<ExportManifest> {
  const events = connection.serverStream(TrainerServiceService.exportCheckpoint, request);
  const partial = `${output}.partial`;
  try {
    const manifest = await readManifest(events);
    const single = manifest.files.length === 1;
    if (!single && (await exists(output))) {
      throw new MedformerError('ALREADY_EXISTS', `${output}: is there already; name a new folder`);
    }
    await rm(partial, { recursive: true, force: true });
    await writeFiles(events, manifest.files, (path) => (single ? partial : join(partial, safe(path))));
    await rename(partial, output);
    return manifest;
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  } finally {
    await events.return();
  }
}

async function readManifest(events: AsyncGenerator<ExportCheckpointResponse>): Promise<ExportManifest> {
  const { value } = await events.next();
  const event = value?.event;
  if (event?.$case === 'manifest' && event.value.files.length > 0) return event.value;
  throw new MedformerError('DATA_LOSS', 'the trainer sent no list of files');
}

/** Cuts the stream of bytes into its files and checks each against what was announced. */
async function writeFiles(
  events: AsyncIterable<ExportCheckpointResponse>,
  files: readonly ExportedFile[],
  placeOf: (path: string) => string,
): Promise<void> {
  const bytes = new ByteReader(events);
  for (const file of files) {
    const place = placeOf(file.path);
    await mkdir(dirname(place), { recursive: true });
    const handle = await open(place, 'w');
    const hash = createHash('sha256');
    try {
      for (let left = Number(file.bytes); left > 0; ) {
        const piece = await bytes.next(left);
        if (!piece) throw new MedformerError('DATA_LOSS', `${file.path}: ${left} bytes did not come`);
        hash.update(piece);
        await handle.write(piece);
        left -= piece.length;
      }
    } finally {
      await handle.close();
    }
    if (hash.digest('hex') !== file.sha256)
      throw new MedformerError(
        'DATA_LOSS',
        `${file.path}: the bytes are not those announced (${file.sha256})`,
      );
  }
}

class ByteReader {
  private readonly events: AsyncIterator<ExportCheckpointResponse>;
  private held: Buffer = Buffer.alloc(0);

  constructor(events: AsyncIterable<ExportCheckpointResponse>) {
    this.events = events[Symbol.asyncIterator]();
  }

  /** Some of the next bytes, at most `limit`; undefined at the end. */
  async next(limit: number): Promise<Buffer | undefined> {
    while (this.held.length === 0) {
      const { value, done } = await this.events.next();
      if (done) return undefined;
      if (value.event?.$case === 'chunk') this.held = value.event.value;
    }
    const piece = this.held.subarray(0, limit);
    this.held = this.held.subarray(piece.length);
    return piece;
  }
}

/** A relative path that stays in the folder. */
function safe(path: string): string {
  const normal = posix.normalize(path);
  if (path !== '' && normal === path && !posix.isAbsolute(path) && !path.startsWith('..')) return path;
  throw new MedformerError('DATA_LOSS', `the trainer sent a file for ${JSON.stringify(path)}`);
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
