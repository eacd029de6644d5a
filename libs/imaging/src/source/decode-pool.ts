import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { badInput, MedformerError } from '@medformer/schema';
import { type DecodedItem, type DecodeJob, runDecodeJob } from './decode-job.js';
import type { DecodeAnswer } from './decode-worker.js';

/** Longest time that one image may take: a series of 2000 slices of JPEG 2000 stays below. */
const MAX_MILLISECONDS = 10 * 60_000;
/** Of JavaScript objects, per worker; pixels stand outside it and are limited by MAX_IMAGE_BYTES. */
const MAX_HEAP_MEGABYTES = 1024;
/** So few images are decoded before a worker would have started. */
const TOO_FEW_FOR_WORKERS = 8;

export interface DecodePool {
  /** How many jobs run at a time. */
  size: number;
  /** @throws MedformerError as `runDecodeJob`, or INVALID_ARGUMENT for files that end their worker or take too long. */
  run(job: DecodeJob): Promise<DecodedItem[]>;
  close(): Promise<void>;
}

/** Threads that decode, as many as cores; for few images this thread itself. */
export function openDecodePool(
  jobs: number,
  { size = availableParallelism(), maxMilliseconds = MAX_MILLISECONDS } = {},
): DecodePool {
  if (jobs < TOO_FEW_FOR_WORKERS) return { size: 2, run: runDecodeJob, close: async () => undefined };
  return new WorkerPool(Math.min(size, jobs), maxMilliseconds);
}

interface Waiting {
  job: DecodeJob;
  resolve: (items: DecodedItem[]) => void;
  reject: (error: Error) => void;
}

class WorkerPool implements DecodePool {
  private readonly idle: Worker[] = [];
  private readonly workers = new Set<Worker>();
  private readonly queue: Waiting[] = [];

  constructor(
    readonly size: number,
    private readonly maxMilliseconds: number,
  ) {}

  run(job: DecodeJob): Promise<DecodedItem[]> {
    return new Promise((resolve, reject) => {
      this.queue.push({ job, resolve, reject });
      this.next();
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.workers].map((worker) => worker.terminate()));
  }

  private next(): void {
    if (this.queue.length === 0) return;
    const worker = this.idle.pop() ?? (this.workers.size < this.size ? this.start() : undefined);
    if (worker) this.give(worker, this.queue.shift()!);
  }

  private start(): Worker {
    const worker = new Worker(new URL('../../dist/source/decode-worker.js', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MEGABYTES },
    });
    this.workers.add(worker);
    return worker;
  }

  private give(worker: Worker, { job, resolve, reject }: Waiting): void {
    const done = (settle: () => void, alive: boolean) => {
      clearTimeout(patience);
      worker.removeAllListeners();
      if (alive) this.idle.push(worker);
      else {
        this.workers.delete(worker);
        // What a worker says on its way out has nobody left to hear it.
        worker.on('error', () => undefined);
        void worker.terminate();
      }
      settle();
      this.next();
    };
    const lost = (found: string, cause?: unknown) => () =>
      reject(
        badInput({ file: job.name, field: 'image', expected: 'one that can be decoded', found }, { cause }),
      );
    const patience = setTimeout(
      () => done(lost(`one that takes more than ${this.maxMilliseconds / 1000} s`), false),
      this.maxMilliseconds,
    );
    worker.on('message', ({ items, refusal }: DecodeAnswer) => {
      if (items) done(() => resolve(items), true);
      else {
        const { code, message, logged } = refusal!;
        done(() => reject(new MedformerError(code, message, { logged })), true);
      }
    });
    worker.on('error', (error) => done(lost('one that ends its decoder', error), false));
    worker.on('exit', () => done(lost('one that ends its decoder'), false));
    worker.postMessage(job);
  }
}
