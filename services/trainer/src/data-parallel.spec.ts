import { getCheckpointRecord, getRunProgress, putRunSpec } from '@medformer/checkpoint';
import { freePort } from '@medformer/object-store/testing';
import { MedformerError, RunSpec } from '@medformer/schema';
import { PeerLostError } from '@medformer/tensorflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench, type Job, onFilesystem } from '../spec/job-bench.js';
import { EXIT, exitCodeOf } from './exit-codes.js';

const STEPS = 60;
/** The loss of every step is a matter of the gradients alone: Adam would make much of rounding in those near 0. */
const RUN = {
  steps: STEPS,
  checkpointEvery: 10,
  optimiser: { name: 'sgd', learningRate: 0.02, warmupSteps: 0 },
};

let bench: Bench;
let alone: number[];
beforeAll(async () => {
  bench = await Bench.open(onFilesystem);
  const apart = await Bench.open(onFilesystem);
  const run = await apart.run(RUN);
  expect(await apart.job(run).exit).toBe(EXIT.done);
  alone = await losses(apart, run);
  await apart.close();
});
afterAll(() => bench.close());

describe('a job of several processes', () => {
  it('ends as a whole when one is killed, and goes on with more of them to the losses of one process', async () => {
    const run = await bench.run(RUN);
    const [first, second] = (await peers(run, 2)) as [Job, Job];
    await bench.reaches(run, 1, 20);
    second.signal('SIGKILL');
    const killed = performance.now();
    expect(await first.exit).toBe(EXIT.peerLost);
    expect(performance.now() - killed).toBeLessThan(10_000);
    expect(await getRunProgress(bench.store, run)).toMatchObject({ state: 'interrupted' });
    const { step } = (await bench.newest(run))!;
    expect(step).toBeGreaterThanOrEqual(10);

    const three = await peers(run, 3);
    expect(await Promise.all(three.map(({ exit }) => exit))).toEqual([EXIT.done, EXIT.done, EXIT.done]);
    const both = await losses(bench, run);
    expect(both.length).toBe(STEPS);
    // Single steps agree to 1e-6 (libs/ssl/src/data-parallel.spec.ts); rounding has grown over so many.
    for (const [at, loss] of both.entries()) expect(Math.abs(loss / alone[at]! - 1)).toBeLessThan(1e-4);
    const record = await getCheckpointRecord(bench.store, (await bench.newest(run))!.checkpoint);
    expect(record.runtime?.workers).toBe(3);
  });

  it('ends when one is frozen, which ends by itself when it is woken', async () => {
    const run = await bench.run({ ...RUN, seed: 5, steps: 100_000 });
    const [first, second] = (await peers(run, 2, { MEDFORMER_PEER_TIMEOUT_S: '5' })) as [Job, Job];
    await bench.reaches(run, 1, 5);
    second.signal('SIGSTOP');
    expect(await first.exit).toBe(EXIT.peerLost);
    second.signal('SIGCONT');
    expect(await second.exit).toBe(EXIT.peerLost);
  });

  it('stops after the same step in all when one is told to, with a checkpoint', async () => {
    const run = await bench.run({ ...RUN, seed: 6, steps: 100_000, checkpointEvery: 100_000 });
    const [first, second] = (await peers(run, 2)) as [Job, Job];
    await bench.reaches(run, 1, 3);
    second.signal('SIGTERM');
    expect(await second.exit).toBe(EXIT.interrupted);
    // Told by its peer alone: as if it had been told itself.
    expect(await first.exit).toBe(EXIT.interrupted);
    expect((await bench.newest(run))!.step).toBeGreaterThanOrEqual(3);
  });
});

describe('the run of several processes', () => {
  it('is the same run however many share it', async () => {
    const spec = (workers?: number) =>
      RunSpec.parse({
        dataset: 'a'.repeat(64),
        method: { name: 'simclr' },
        steps: 3,
        codeVersion: 'test',
        ...(workers ? { workers } : {}),
      });
    expect(await putRunSpec(bench.store, spec(4))).toBe(await putRunSpec(bench.store, spec()));
  });

  it.each([
    [new PeerLostError('rank 1 is gone'), EXIT.peerLost],
    [new MedformerError('ABORTED', 'run: another process has taken it over'), EXIT.claimLost],
    [
      new MedformerError('UNAVAILABLE', 'training process died by SIGKILL', {
        cause: 'peer lost: silent for too long; this process is killed',
      }),
      EXIT.peerLost,
    ],
  ])('starts again where a peer was lost: %s', (thrown, exitCode) => {
    expect(exitCodeOf(thrown, false)).toBe(exitCode);
  });
});

async function peers(run: string, count: number, env: Record<string, string> = {}): Promise<Job[]> {
  const ports = await Promise.all(Array.from({ length: count }, freePort));
  const MEDFORMER_PEERS = ports.map((port) => `127.0.0.1:${port}`).join(',');
  return ports.map((_, rank) =>
    bench.job(run, { MEDFORMER_PEERS, JOB_COMPLETION_INDEX: String(rank), ...env }),
  );
}

async function losses(of: Bench, run: string): Promise<number[]> {
  const { checkpoint } = (await of.newest(run))!;
  return (await getCheckpointRecord(of.store, checkpoint)).history.map(({ loss }) => loss);
}
