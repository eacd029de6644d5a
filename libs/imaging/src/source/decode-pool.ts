import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { badInput, MedformerError } from '@medformer/schema';
import { type DecodedItem, type DecodeJob, runDecodeJob } from './decode-job.js';
import type { WorkerAnswer, WorkerTask } from './decode-worker.js';
import { type Examined, type ExamineJob, runExamineJob } from './examine-job.js';

/** Longest time that one image may take: a series of 2000 slices of JPEG 2000 stays below. */
const MAX_MILLISECONDS = 10 * 60_000;
/** Of JavaScript objects, per worker; pixels stand outside it and are limited by MAX_IMAGE_BYTES. */
const MAX_HEAP_MEGABYTES = 1024;
/** So few images, or bytes of files, are decoded before a worker would have started. */
const TOO_FEW_FOR_WORKERS = 8;
const TOO_LITTLE_FOR_WORKERS = 32 * 1024 * 1024;

export interface DecodePool {
  /** How many jobs run at a time. */
  size: number;
  /** @throws MedformerError as `runDecodeJob`, or INVALID_ARGUMENT for files that end their worker or take too long. */
  run(job: DecodeJob): Promise<DecodedItem[]>;
  /** @throws as `run` */
  examine(job: ExamineJob): Promise<Examined>;
  close(): Promise<void>;
}

/** Workers of pools that ended well, warm for the next: starting one costs as much as decoding a hundred slices. */
const spare: Worker[] = [];

/** Threads that decode, as many as cores; for few images of few bytes this thread itself. */
export function openDecodePool(
  jobs: number,
  { size = availableParallelism(), maxMilliseconds = MAX_MILLISECONDS, bytes = 0 } = {},
): DecodePool {
  const little = jobs < TOO_FEW_FOR_WORKERS && bytes < TOO_LITTLE_FOR_WORKERS;
  if (little || jobs < 2) {
    return { size: 2, run: runDecodeJob, examine: runExamineJob, close: async () => undefined };
  }
  return new WorkerPool(Math.min(size, jobs), maxMilliseconds);
}

type Result = NonNullable<WorkerAnswer['result']>;

interface Waiting {
  name: string;
  task: WorkerTask;
  resolve: (result: Result) => void;
  reject: (error: Error) => void;
}

class WorkerPool implements DecodePool {
  private readonly idle: Worker[] = [];
  /** With what each is at work on. */
  private readonly workers = new Map<Worker, (Waiting & { patience: NodeJS.Timeout }) | undefined>();
  private readonly queue: Waiting[] = [];

  constructor(
    readonly size: number,
    private readonly maxMilliseconds: number,
  ) {}

  run(job: DecodeJob): Promise<DecodedItem[]> {
    return this.ask(job.name, { decode: job }) as Promise<DecodedItem[]>;
  }

  examine(job: ExamineJob): Promise<Examined> {
    return this.ask(job.name, { examine: job }) as Promise<Examined>;
  }

  private ask(name: string, task: WorkerTask): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.queue.push({ name, task, resolve, reject });
      this.next();
    });
  }

  async close(): Promise<void> {
    const closed = new MedformerError('CANCELLED', 'decoding was stopped');
    for (const { reject } of this.queue.splice(0)) reject(closed);
    const workers = [...this.workers];
    this.workers.clear();
    for (const [, task] of workers) {
      clearTimeout(task?.patience);
      task?.reject(closed);
    }
    await Promise.all(workers.map(([worker, task]) => (task ? worker.terminate() : keep(worker))));
  }

  private next(): void {
    if (this.queue.length === 0) return;
    const worker = this.idle.pop() ?? (this.workers.size < this.size ? this.start() : undefined);
    if (!worker) return;
    const waiting = this.queue.shift()!;
    const seconds = this.maxMilliseconds / 1000;
    const patience = setTimeout(
      () => this.lose(worker, `one that takes more than ${seconds} s`),
      this.maxMilliseconds,
    );
    this.workers.set(worker, { ...waiting, patience });
    worker.postMessage(waiting.task);
  }

  private start(): Worker {
    const worker = spare.pop() ?? newWorker();
    forget(worker);
    worker.ref();
    this.workers.set(worker, undefined);
    worker.on('message', ({ result, refusal }: WorkerAnswer) => {
      const task = this.workers.get(worker);
      if (!task) return;
      clearTimeout(task.patience);
      this.workers.set(worker, undefined);
      this.idle.push(worker);
      if (result) task.resolve(result);
      else task.reject(new MedformerError(refusal!.code, refusal!.message));
      this.next();
    });
    worker.on('error', (error) => this.lose(worker, 'one that ends its decoder', error));
    worker.on('exit', () => this.lose(worker, 'one that ends its decoder'));
    return worker;
  }

  /** What a worker was at work on is refused; another takes its place. */
  private lose(worker: Worker, found: string, cause?: unknown): void {
    if (!this.workers.has(worker)) return;
    const task = this.workers.get(worker);
    this.workers.delete(worker);
    const at = this.idle.indexOf(worker);
    if (at >= 0) this.idle.splice(at, 1);
    void worker.terminate();
    if (task) {
      clearTimeout(task.patience);
      const what = { file: task.name, field: 'image', expected: 'one that can be decoded', found };
      task.reject(badInput(what, { cause }));
    }
    this.next();
  }
}

function newWorker(): Worker {
  return new Worker(new URL('../../dist/source/decode-worker.js', import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MEGABYTES },
  });
}

/** An idle worker holds no process open. */
async function keep(worker: Worker): Promise<void> {
  forget(worker);
  if (spare.length >= availableParallelism()) {
    await worker.terminate();
    return;
  }
  worker.on('error', () => undefined);
  worker.on('exit', () => {
    const at = spare.indexOf(worker);
    if (at >= 0) spare.splice(at, 1);
  });
  worker.unref();
  spare.push(worker);
}

/** Node's own listeners, by which a worker knows whether it is listened to, stay. */
function forget(worker: Worker): void {
  for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event);
}
