import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { getRunProgress, listCheckpoints, putRunSpec } from '@medformer/checkpoint';
import { writeDataset } from '@medformer/dataset';
import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import { startMinio } from '@medformer/object-store/testing';
import { RunSpec } from '@medformer/schema';
import { afterAll } from 'vitest';
import { cohort, description, specOf } from './stripes.js';

const ENTRY = fileURLToPath(new URL('../dist/train-job.js', import.meta.url));

export interface Opened {
  store: ObjectStore;
  /** What tells a job where it is. */
  env: Record<string, string>;
  close(): Promise<void>;
}

export async function onFilesystem(): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), 'train-job-'));
  const url = pathToFileURL(folder).href;
  return {
    store: await openObjectStore({ url }),
    env: { MEDFORMER_STORE: url },
    close: () => rm(folder, { recursive: true }),
  };
}

export async function onMinio(): Promise<Opened> {
  const { options, stop } = await startMinio();
  const { endpoint, bucket, accessKey, secretKey } = options;
  const url = `s3://${bucket}?endpoint=${endpoint}`;
  return {
    store: await openObjectStore({ url, accessKey, secretKey }),
    env: {
      MEDFORMER_STORE: url,
      MEDFORMER_STORE_ACCESS_KEY: accessKey,
      MEDFORMER_STORE_SECRET_KEY: secretKey,
    },
    close: stop,
  };
}

const jobs: Job[] = [];
afterAll(() => {
  for (const job of jobs) job.signal('SIGKILL');
});

/** A process that trains a run, with what it started. */
export class Job {
  output = '';
  readonly exit: Promise<number | null>;
  private readonly child: ChildProcess;

  constructor(run: string, env: Record<string, string>) {
    this.child = spawn(process.execPath, [ENTRY], {
      env: {
        PATH: process.env.PATH,
        ...env,
        MEDFORMER_RUN: run,
        MEDFORMER_METRICS_PORT: '0',
        MEDFORMER_TRAINER_THREADS: '1',
      },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.on('data', (chunk) => {
        this.output += chunk;
      });
    this.exit = once(this.child, 'exit').then(([code]) => code as number | null);
    jobs.push(this);
  }

  /** As a kubelet does: SIGTERM to the first process; what freezes or kills a pod takes all of them. */
  signal(signal: NodeJS.Signals): void {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    process.kill(signal === 'SIGTERM' ? this.child.pid! : -this.child.pid!, signal);
  }

  /** What it says of itself as Prometheus reads it. */
  async metrics(): Promise<string> {
    const [, port] = /"metricsPort":(\d+)/.exec(this.output) ?? [];
    return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  }
}

async function until<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + 120_000;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A store with the data set, and runs on it. */
export class Bench {
  private constructor(
    private readonly opened: Opened,
    private readonly dataset: string,
  ) {}

  static async open(open: () => Promise<Opened>): Promise<Bench> {
    const opened = await open();
    return new Bench(opened, (await writeDataset(opened.store, description(), cohort())).hash);
  }

  get store(): ObjectStore {
    return this.opened.store;
  }

  run(change: object): Promise<string> {
    const spec = { ...specOf(change), dataset: this.dataset, codeVersion: 'test' };
    return putRunSpec(this.store, RunSpec.parse(spec));
  }

  job(run: string, env: Record<string, string> = {}): Job {
    return new Job(run, { ...this.opened.env, ...env });
  }

  reaches(run: string, epoch: number, step: number): Promise<unknown> {
    return until(`step ${step} of epoch ${epoch}`, async () => {
      const progress = await getRunProgress(this.store, run);
      return progress?.epoch === epoch && progress.step >= step ? progress : undefined;
    });
  }

  async newest(run: string) {
    return (await listCheckpoints(this.store, run)).at(-1);
  }

  close(): Promise<void> {
    return this.opened.close();
  }
}
