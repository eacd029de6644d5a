import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ObjectStore, openFilesystemStore } from '@medformer/object-store';
import { type HistoryEntry, KeepSpec, RunSpec, Runtime, runId, sha256 } from '@medformer/schema';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  loadCheckpoint,
  loadNewestCheckpoint,
  pruneCheckpoints,
  writeCheckpoint,
} from './checkpoint-store.js';
import { ClaimLost, claimRun, type RunClaim } from './run-claim.js';
import { endRunProgress, getRunProgress, pruneRunProgress, putRunProgress } from './run-progress.js';
import { listCheckpoints } from './run-store.js';

const spec = RunSpec.parse({
  dataset: sha256('dataset'),
  method: { name: 'simclr' },
  steps: 100,
  codeVersion: 'test',
});
const run = runId(spec);

let folder: string;
let store: ObjectStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medformer-claim-'));
  store = await openFilesystemStore(folder);
});
afterEach(() => rm(folder, { recursive: true }));

const claim = (on: ObjectStore = store) =>
  claimRun(on, run, async () => (await listCheckpoints(on, run)).at(-1)?.step ?? -1);

/** @param value of its only weight: what tells apart who wrote it */
function write(step: number, value: number, by?: RunClaim, on: ObjectStore = store): Promise<string> {
  const tensor = { dtype: 'F32' as const, shape: [1], data: Float32Array.of(value) };
  const content = {
    step,
    weights: new Map([['body/a', tensor]]),
    optimiser: new Map([['m/body/a', tensor]]),
    history: [] as HistoryEntry[],
    runtime: Runtime.parse({ tensorflow: 'test', threads: value, processor: 'test', node: 'test' }),
  };
  const codes = { modalities: [], bodyParts: [], tasks: [] };
  return writeCheckpoint(on, spec, codes, { mean: 0.5, std: 0.5 }, content, by);
}

/** The store of a process that is frozen right before its n-th write of a key like this one. */
function freezing(pattern: RegExp): { store: ObjectStore; frozen: Promise<void>; wake(): void } {
  let wake = () => {};
  let froze = () => {};
  const woken = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const frozen = new Promise<void>((resolve) => {
    froze = resolve;
  });
  return {
    store: {
      async put(key, ...rest) {
        if (pattern.test(key)) {
          froze();
          await woken;
        }
        return store.put(key, ...rest);
      },
      delete: store.delete.bind(store),
      get: store.get.bind(store),
      head: store.head.bind(store),
      list: store.list.bind(store),
      ping: store.ping.bind(store),
    },
    frozen,
    wake: () => wake(),
  };
}

const valuesBySteps = async () =>
  Promise.all(
    (await listCheckpoints(store, run)).map(async ({ step, checkpoint }) => [
      step,
      (await loadCheckpoint(store, checkpoint)).weights.get('body/a')!.data[0],
    ]),
  );

describe('a claim', () => {
  it('ends those before it, whose checkpoints until then stay and whose later ones are refused', async () => {
    const first = await claim();
    await write(10, 1, first);
    const second = await claim();

    expect([first.epoch, second.epoch]).toEqual([1, 2]);
    await expect(write(20, 1, first)).rejects.toThrow(ClaimLost);
    await write(20, 2, second);
    expect(await valuesBySteps()).toEqual([
      [10, 1],
      [20, 2],
    ]);
  });

  it('is one when many processes ask at once: the last of them', async () => {
    const asked = await Promise.allSettled(Array.from({ length: 8 }, () => claim()));
    const claims = asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const checks = await Promise.allSettled(claims.map((each) => each.check()));

    expect(new Set(claims.map(({ epoch }) => epoch)).size).toBe(claims.length);
    const holders = claims.filter((_, at) => checks[at]!.status === 'fulfilled');
    expect(holders.map(({ epoch }) => epoch)).toEqual([8]);
  });

  it('frozen right before its checkpoint becomes the run’s writes one that does not count', async () => {
    const slow = freezing(/\/checkpoints\//);
    const first = await claim();
    await write(10, 1, first);
    const late = write(20, 1, first, slow.store);
    late.catch(() => undefined);
    await slow.frozen;
    const second = await claim();
    await write(15, 2, second);
    await write(20, 2, second);
    slow.wake();

    await expect(late).rejects.toThrow(ClaimLost);
    expect(await valuesBySteps()).toEqual([
      [10, 1],
      [15, 2],
      [20, 2],
    ]);
    // What it left is removed, but for what the checkpoint that counts shares with it.
    await pruneCheckpoints(store, run, KeepSpec.parse({ last: 3 }), []);
    expect(await valuesBySteps()).toHaveLength(3);
    const keys: string[] = [];
    for await (const { key } of store.list(`runs/${run}/checkpoints/`)) keys.push(key.slice(-21));
    expect(keys).toEqual(['000000010-000001.json', '000000015-000002.json', '000000020-000002.json']);
  });

  it('frozen before it said where it goes on from may no longer say so', async () => {
    await write(10, 3);
    const slow = freezing(/\/resumes\//);
    const first = claim(slow.store);
    first.catch(() => undefined);
    await slow.frozen;
    await write(20, 3);
    const second = await claim();
    await write(30, 2, second);
    slow.wake();

    await expect(first).rejects.toThrow(ClaimLost);
    expect(await valuesBySteps()).toEqual([
      [10, 3],
      [20, 3],
      [30, 2],
    ]);
  });

  it('of one step by two processes keeps the tensors that both wrote', async () => {
    const first = await claim();
    await write(10, 1, first);
    const slow = freezing(/\/checkpoints\//);
    const late = write(20, 2, first, slow.store);
    late.catch(() => undefined);
    await slow.frozen;
    const second = await claim();
    await write(20, 2, second);
    slow.wake();
    await expect(late).rejects.toThrow(ClaimLost);

    await pruneCheckpoints(store, run, KeepSpec.parse({ last: 1 }), []);
    const newest = await loadNewestCheckpoint(store, run);
    expect(newest!.optimiser.get('m/body/a')!.data[0]).toBe(2);
  });
});

describe('a list of checkpoints', () => {
  it('leaves out one that the run’s process removes meanwhile', async () => {
    await write(10, 1);
    await write(20, 1);
    const removing = {
      ...freezing(/^$/).store,
      async get(key: string) {
        if (key.endsWith('/000000010.json')) await store.delete(key);
        return store.get(key);
      },
    };
    expect((await listCheckpoints(removing, run)).map(({ step }) => step)).toEqual([20]);
  });
});

describe('progress', () => {
  const progress = (step: number) => ({
    state: 'running' as const,
    method: 'simclr',
    step,
    steps: 100,
    startedAt: '2026-01-01T00:00:00.000Z',
  });

  it('is the newest claimant’s, also when one before it writes late', async () => {
    const first = await claim();
    await putRunProgress(store, first, progress(5));
    const slow = freezing(/\/progress\//);
    const late = putRunProgress(slow.store, first, progress(9));
    await slow.frozen;
    const second = await claim();
    await putRunProgress(store, second, { ...progress(6), last: undefined });
    slow.wake();
    await late;

    expect(await getRunProgress(store, run)).toMatchObject({ epoch: 2, step: 6 });
    await pruneRunProgress(store, second);
    await expect(putRunProgress(store, first, progress(10))).rejects.toThrow(ClaimLost);
    expect(await getRunProgress(store, run)).toMatchObject({ epoch: 2, step: 6 });
  });

  it('is read while the next claimant removes what the one before it said', async () => {
    const first = await claim();
    await putRunProgress(store, first, progress(5));
    const second = await claim();
    await putRunProgress(store, second, progress(6));
    const removing = {
      ...freezing(/^$/).store,
      async *list(prefix: string) {
        if (prefix.includes('/progress/')) {
          // Listed before the newest was there, read after the older one was gone.
          yield { key: `runs/${run}/progress/000001.json`, bytes: 0, lastModified: new Date() };
          await pruneRunProgress(store, second);
          removing.list = store.list.bind(store) as typeof removing.list;
        }
      },
    };

    expect(await getRunProgress(removing, run)).toMatchObject({ epoch: 2, step: 6 });
  });

  it('of a process that is gone is ended once, and keeps a loss that is not finite', async () => {
    const last = { loss: Number.NaN, learningRate: 0.1, gradientNorm: Number.POSITIVE_INFINITY };
    const rest = {
      imagesPerSecond: 1,
      etaSeconds: 2,
      viewsMs: 3,
      stepMs: 4,
      embeddingStd: 0,
      effectiveRank: 0,
    };
    expect(await endRunProgress(store, run, { state: 'failed' })).toBe(false);
    await putRunProgress(store, await claim(), { ...progress(5), last: { ...last, ...rest } });
    const failure = { code: 'UNAVAILABLE' as const, message: 'died' };

    expect(await endRunProgress(store, run, { state: 'failed', failure })).toBe(true);
    expect(await endRunProgress(store, run, { state: 'interrupted' })).toBe(false);
    expect(await getRunProgress(store, run)).toMatchObject({
      state: 'failed',
      failure,
      step: 5,
      last: { loss: Number.NaN, learningRate: 0.1 },
    });
  });
});
