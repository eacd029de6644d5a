import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import {
  IngestionServiceService,
  type UploadFileInfo,
  type UploadFileRequest,
} from '@medformer/gen/ingestion';
import { MedformerError } from '@medformer/schema';
import type { Context } from './context.js';
import { putFile } from './put-file.js';
import { megabytes, seconds } from './terminal.js';

/** The wire contract's limit of one chunk. */
const CHUNK_BYTES = 1024 * 1024;
/** Files sent at once: hides the round trip that small files wait for. */
const PARALLEL_FILES = 4;

interface LocalFile extends UploadFileInfo {
  absolute: string;
}

/**
 * Sends a file or a folder and returns the upload's id. Only what the service lacks is sent: an upload that broke
 * goes on from its last byte, and a finished one sends nothing. Files go straight to the service's bucket where it offers
 * that and the bucket takes them, over gRPC otherwise.
 */
export async function upload({ connection, terminal, signal }: Context, path: string): Promise<string> {
  const files = await hashFiles(await listFiles(path), { terminal, signal });
  const { uploadId, missing } = await connection.unary(IngestionServiceService.beginUpload, {
    files: files.map(({ path, sizeBytes, sha256 }) => ({ path, sizeBytes, sha256 })),
    direct: true,
  });
  const byPath = new Map(files.map((file) => [file.path, file]));
  const total = missing.reduce(
    (sum, lack) => sum + Number((byPath.get(lack.path)?.sizeBytes ?? 0n) - lack.offsetBytes),
    0,
  );
  const progress = terminal.progress('upload');
  const detail = byteRate();
  let sent = 0;
  let direct = true;
  const queue = missing.values();
  const sendFromQueue = async () => {
    for (const lack of queue) {
      const file = byPath.get(lack.path);
      if (file === undefined) continue;
      const onSent = (bytes: number) => {
        sent += bytes;
        progress.update(sent, total, detail(sent, total));
      };
      if (direct && lack.putUrl !== '') {
        const put = await putFile(file, lack.putUrl, signal);
        direct &&= put !== 'unreachable';
        if (put === 'stored') {
          onSent(Number(file.sizeBytes));
          continue;
        }
      }
      const chunks = readChunks(uploadId, file, lack.offsetBytes, onSent);
      await connection.clientStream(IngestionServiceService.uploadFile, chunks);
    }
  };
  try {
    await Promise.all(Array.from({ length: PARALLEL_FILES }, sendFromQueue));
  } finally {
    progress.stop();
  }
  return uploadId;
}

async function* readChunks(
  uploadId: string,
  file: LocalFile,
  offset: bigint,
  onSent: (bytes: number) => void,
): AsyncGenerator<UploadFileRequest> {
  // An empty file, and one whose last chunk only lacks its confirmation, still need their opening message.
  yield { uploadId, path: file.path, offsetBytes: offset, chunk: Buffer.alloc(0) };
  for await (const chunk of createReadStream(file.absolute, {
    start: Number(offset),
    highWaterMark: CHUNK_BYTES,
  })) {
    yield { uploadId: '', path: '', offsetBytes: 0n, chunk: chunk as Buffer };
    onSent((chunk as Buffer).length);
  }
}

async function listFiles(path: string): Promise<{ path: string; absolute: string; size: number }[]> {
  const root = await statOf(path);
  if (root.isFile()) return [{ path: basename(path), absolute: path, size: root.size }];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files: { path: string; absolute: string; size: number }[] = [];
  for (const entry of entries) {
    const absolute = join(entry.parentPath, entry.name);
    const inside = relative(path, absolute).split(sep);
    // Hidden files are the operating system's, not images; a linked file counts as the file itself.
    if (inside.some((part) => part.startsWith('.')) || entry.isDirectory()) continue;
    const info = await statOf(absolute);
    if (info.isFile()) files.push({ path: inside.join('/'), absolute, size: info.size });
  }
  if (files.length === 0) throw new MedformerError('INVALID_ARGUMENT', `${path}: no files in this folder`);
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function hashFiles(
  files: { path: string; absolute: string; size: number }[],
  { terminal, signal }: Pick<Context, 'terminal' | 'signal'>,
): Promise<LocalFile[]> {
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const progress = terminal.progress('hash');
  const detail = byteRate();
  const hashed: LocalFile[] = [];
  let read = 0;
  try {
    for (const file of files) {
      const hash = createHash('sha256');
      let bytes = 0n;
      for await (const chunk of createReadStream(file.absolute, { highWaterMark: CHUNK_BYTES, signal })) {
        hash.update(chunk as Buffer);
        bytes += BigInt((chunk as Buffer).length);
        read += (chunk as Buffer).length;
        progress.update(read, total, detail(read, total));
      }
      hashed.push({ path: file.path, absolute: file.absolute, sizeBytes: bytes, sha256: hash.digest('hex') });
    }
  } finally {
    progress.stop();
  }
  return hashed;
}

/** `bytes · 81.2 MB/s · ETA 12 s`, from now on. */
function byteRate(): (done: number, total: number) => string {
  const began = performance.now();
  return (done, total) => {
    const perSecond = done / ((performance.now() - began) / 1000);
    return `bytes · ${megabytes(perSecond)}/s · ETA ${seconds((total - done) / perSecond)}`;
  };
}

async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new MedformerError('NOT_FOUND', `${path}: ${code === 'ENOENT' ? 'no such file or folder' : code}`, {
      cause,
    });
  }
}
