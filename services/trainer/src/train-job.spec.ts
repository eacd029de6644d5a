import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getRunProgress, markCancelled } from '@medformer/checkpoint';
import { MedformerError } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench, onFilesystem, onMinio } from '../spec/job-bench.js';
import { MODEL } from '../spec/stripes.js';
import { EXIT, exitCodeOf } from './exit-codes.js';

/** Long enough to be caught in the middle. */
const LONG = 200;
const ENDLESS = 1_000_000;

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
