import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { getRunProgress, listCheckpoints, markCancelled, putRunSpec } from '@medformer/checkpoint';
import { writeDataset } from '@medformer/dataset';
import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import { startMinio } from '@medformer/object-store/testing';
import { MedformerError, RunSpec } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cohort, description, MODEL, specOf } from '../spec/stripes.js';
import { EXIT, exitCodeOf } from './exit-codes.js';

/** Long enough to be caught in the middle. */
const LONG = 200;
const ENDLESS = 1_000_000;
const ENTRY = fileURLToPath(new URL('../dist/train-job.js', import.meta.url));

interface Opened {
  store: ObjectStore;
  /** What tells a job where it is. */
  env: Record<string, string>;
  close(): Promise<void>;
}

async function onFilesystem(): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), 'train-job-'));
  const url = pathToFileURL(folder).href;
  return {
    store: await openObjectStore({ url }),
    env: { MEDFORMER_STORE: url },
    close: () => rm(folder, { recursive: true }),
  };
}

async function onMinio(): Promise<Opened> {
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
class Job {
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
class Bench {
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

let bench: Bench;
/** What the run below ends with when nothing happens to it. */
let unbroken: string;
const FENCED = { steps: LONG, checkpointEvery: 10 };

beforeAll(async () => {
  bench = await Bench.open(onFilesystem);
  const apart = await Bench.open(onFilesystem);
  const run = await apart.run(FENCED);
  expect(await apart.job(run).exit).toBe(EXIT.done);
  unbroken = (await apart.newest(run))!.checkpoint;
  await apart.close();
});
afterAll(() => bench.close());

describe.each([
  ['on a filesystem store', onFilesystem],
  ['on MinIO', onMinio],
])('a training job %s', (_, open) => {
  it('frozen, and woken when another has taken its run over, ends by itself and leaves nothing of its own', async () => {
    const shared = await Bench.open(open);
    const run = await shared.run(FENCED);
    const frozen = shared.job(run);
    await shared.reaches(run, 1, 20);
    frozen.signal('SIGSTOP');
    const second = shared.job(run);
    await shared.reaches(run, 2, 40);
    frozen.signal('SIGCONT');

    expect([await frozen.exit, await second.exit]).toEqual([EXIT.claimLost, EXIT.done]);
    const end = await shared.newest(run);
    expect(end).toEqual({ step: LONG, epoch: 2, checkpoint: unbroken });
    expect(await getRunProgress(shared.store, run)).toMatchObject({
      epoch: 2,
      state: 'succeeded',
      step: LONG,
      checkpoint: { checkpoint: unbroken },
    });
    await shared.close();
  });
});

describe('a training job', () => {
  it('told to stop ends with a checkpoint of its last step; killed, the next goes on from the last one', async () => {
    const run = await bench.run({ seed: 1, steps: ENDLESS, checkpointEvery: ENDLESS });
    const first = bench.job(run);
    await bench.reaches(run, 1, 1);
    expect(await first.metrics()).toMatch(/^medformer_trainer_steps_total\{method="simclr"\} \d+$/m);
    first.signal('SIGTERM');
    expect(await first.exit).toBe(EXIT.interrupted);
    const stopped = (await bench.newest(run))!;
    expect(await getRunProgress(bench.store, run)).toMatchObject({
      state: 'interrupted',
      step: stopped.step,
    });

    const second = bench.job(run);
    await bench.reaches(run, 2, stopped.step + 1);
    second.signal('SIGKILL');
    expect(await second.exit).toBeNull();
    expect(await bench.newest(run)).toEqual(stopped);
    const third = bench.job(run);
    await bench.reaches(run, 3, stopped.step + 1);
    await markCancelled(bench.store, run);
    third.signal('SIGTERM');
    expect(await third.exit).toBe(EXIT.interrupted);
    expect(await getRunProgress(bench.store, run)).toMatchObject({ state: 'cancelled', epoch: 3 });
  });

  it('that cannot succeed says why, in the store and where its pod ends, and exits so that it is not tried again', async () => {
    const first = await bench.run({ steps: 1 });
    expect(await bench.job(first).exit).toBe(EXIT.done);
    const initial = { checkpoint: (await bench.newest(first))!.checkpoint };
    const run = await bench.run({ steps: 2, model: { ...MODEL, width: 36 }, initial });
    const folder = await mkdtemp(join(tmpdir(), 'train-job-'));
    const MEDFORMER_TERMINATION_LOG = join(folder, 'termination-log');
    const failure = {
      code: 'INVALID_ARGUMENT',
      message: 'spec: model.width: expected 24, as in the initial checkpoint, found 36',
    };

    expect(await bench.job(run, { MEDFORMER_TERMINATION_LOG }).exit).toBe(EXIT.badSpec);
    expect(JSON.parse(await readFile(MEDFORMER_TERMINATION_LOG, 'utf8'))).toEqual(failure);
    await rm(folder, { recursive: true });
    expect(await getRunProgress(bench.store, run)).toMatchObject({ state: 'failed', failure });
    const optimiser = { learningRate: 1e30, warmupSteps: 0, clipNorm: 0 };
    const infinite = await bench.run({ seed: 12, steps: LONG, optimiser });
    expect(await bench.job(infinite).exit).toBe(EXIT.trainingFailed);
    expect(await bench.job('f'.repeat(64)).exit).toBe(EXIT.badSpec);
    const settings = bench.job('no id');
    expect(await settings.exit).toBe(EXIT.badSpec);
    expect(settings.output).toContain('MEDFORMER_RUN');
  });
});

describe('an exit code', () => {
  it.each([
    [new MedformerError('UNAVAILABLE', 'the object store does not answer'), false, EXIT.storeFailed],
    [new MedformerError('CANCELLED', 'stopped after step 3 of 9'), true, EXIT.interrupted],
    [new MedformerError('FAILED_PRECONDITION', 'step 3: loss NaN'), true, EXIT.trainingFailed],
    [new MedformerError('RESOURCE_EXHAUSTED', 'the object store is full'), false, EXIT.outOfMemory],
    [new MedformerError('UNAVAILABLE', 'training process died by SIGKILL'), false, EXIT.outOfMemory],
    [new TypeError('a defect'), false, EXIT.defect],
  ])('tells the cluster what to do: %s', (thrown, stopped, exitCode) => {
    expect(exitCodeOf(thrown, stopped)).toBe(exitCode);
  });
});
