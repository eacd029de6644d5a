import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listCheckpoints } from '@medformer/checkpoint';
import { startComputeProcess } from '@medformer/compute';
import type { ExportRequest } from '@medformer/export';
import type { ObjectStore, ObjectStoreConfig } from '@medformer/object-store';
import { CHUNK_BYTES } from '@medformer/rpc';
import { MedformerError } from '@medformer/schema';
import PQueue from 'p-queue';
import type { ExportCalls, WrittenFile } from './export-calls.js';

export interface CheckpointExportsOptions {
  store: ObjectStoreConfig;
  threads?: number;
}

/** Exports, one at a time beside the training; each in a process of its own, which gives its memory back. */
export class CheckpointExports {
  private readonly queue = new PQueue({ concurrency: 1 });
  private readonly stopping = new AbortController();

  constructor(
    private readonly store: ObjectStore,
    private readonly options: CheckpointExportsOptions,
  ) {}

  /** @throws MedformerError FAILED_PRECONDITION for a run without a checkpoint, INVALID_ARGUMENT for another id */
  async newestOf(run: string): Promise<string> {
    const newest = (await listCheckpoints(this.store, run)).at(-1);
    if (newest) return newest.checkpoint;
    throw new MedformerError('FAILED_PRECONDITION', `run ${run}: has no checkpoint yet`);
  }

  /** First what the files are, then their bytes, one file after the other. They lie on disk while they are read. */
  async *export(
    checkpoint: string,
    request: ExportRequest,
    signal: AbortSignal,
  ): AsyncGenerator<{ files: WrittenFile[] } | { chunk: Uint8Array }> {
    const folder = await mkdtemp(join(tmpdir(), 'medformer-export-'));
    const either = AbortSignal.any([signal, this.stopping.signal]);
    try {
      const files = await this.queue.add(() => this.write(checkpoint, request, folder, either), {
        throwOnTimeout: true,
      });
      yield { files };
      for (const { path } of files) {
        const stream = createReadStream(join(folder, path), { highWaterMark: CHUNK_BYTES, signal: either });
        for await (const chunk of stream) yield { chunk: chunk as Buffer };
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async stop(): Promise<void> {
    this.stopping.abort(new MedformerError('UNAVAILABLE', 'the service is stopping'));
    await this.queue.onIdle();
  }

  private async write(
    checkpoint: string,
    request: ExportRequest,
    folder: string,
    signal: AbortSignal,
  ): Promise<WrittenFile[]> {
    signal.throwIfAborted();
    const process = startComputeProcess<ExportCalls>(new URL('../dist/export-process.js', import.meta.url), {
      name: 'export process',
    });
    try {
      return await process.call('export', { ...this.options, checkpoint, request, folder }, { signal });
    } finally {
      await process.stop();
    }
  }
}
