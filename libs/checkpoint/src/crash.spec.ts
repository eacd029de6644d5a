import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ObjectStore, openFilesystemStore, openS3Store } from '@medformer/object-store';
import { startMinio } from '@medformer/object-store/testing';
import { KeepSpec, Rng, RunSpec, runId, sha256 } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import {
  loadCheckpoint,
  loadNewestCheckpoint,
  pruneCheckpoints,
  writeCheckpoint,
} from './checkpoint-store.js';
import { listCheckpoints } from './run-store.js';

const spec = RunSpec.parse({
  dataset: sha256('dataset'),
  method: { name: 'simclr' },
  steps: 100,
  codeVersion: 'test',
});
const run = runId(spec);
const KEEP = KeepSpec.parse({ last: 1, best: 'loss' });

/** Losses such that step 2 stays as the best while steps come and go. */
const LOSSES = [0, 5, 1, 4, 3];

/** Step `step` of the run, as a trainer does it: written, then the others pruned. */
async function checkpoint(store: ObjectStore, step: number, looseLifetimeMs?: number): Promise<void> {
  const tensor = (value: number) => ({
    dtype: 'F32' as const,
    shape: [1],
    data: Float32Array.of(value),
  });
  const history = LOSSES.slice(1, step + 1).map((loss, at) => ({
    step: at + 1,
    // The mean over the steps so far is to be this.
    loss: loss * (at + 1) - (at === 0 ? 0 : LOSSES[at]! * at),
    learningRate: 0.1,
    gradientNorm: 1,
  }));
  const content = {
    step,
    weights: new Map([['body/a', tensor(step)]]),
    optimiser: new Map([['m/body/a', tensor(-step)]]),
    history,
  };
  const codes = { modalities: [], bodyParts: [], tasks: [] };
  await writeCheckpoint(store, spec, codes, { mean: 0.5, std: 0.5 }, content);
  await pruneCheckpoints(store, run, KEEP, history, looseLifetimeMs === undefined ? {} : { looseLifetimeMs });
}

/** The store of a process that dies at its n-th change: before it is made, or after, but before it hears of it. */
function dying(
  store: ObjectStore,
  changes: number,
  made: 'before' | 'after',
): ObjectStore & { died: boolean } {
  let left = changes;
  const change = async <Result>(make: () => Promise<Result>): Promise<Result> => {
    left -= 1;
    if (left < 0 || (left === 0 && made === 'before')) throw died();
    const result = await make();
    if (left === 0) throw died();
    return result;
  };
  const died = () => {
    dead.died = true;
    return new Error('killed');
  };
  const dead = {
    died: false,
    put: (...given: Parameters<ObjectStore['put']>) => change(() => store.put(...given)),
    delete: (key: string) => change(() => store.delete(key)),
    get: store.get.bind(store),
    head: store.head.bind(store),
    list: store.list.bind(store),
    ping: store.ping.bind(store),
  };
  return dead;
}

async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
}

async function clear(store: ObjectStore): Promise<void> {
  for (const key of await keysOf(store)) await store.delete(key);
}

/** Every checkpoint that the run lists is whole, and each record in the store has the tensors it names. */
async function expectWhole(store: ObjectStore): Promise<number[]> {
  const pointers = await listCheckpoints(store, run);
  for (const { step, checkpoint } of pointers) {
    const { record, weights } = await loadCheckpoint(store, checkpoint);
    expect(record.step).toBe(step);
    expect(weights.get('body/a')!.data[0]).toBe(step);
  }
  return pointers.map(({ step }) => step);
}

const stores: [string, () => Promise<{ store: ObjectStore; close(): Promise<void> }>][] = [
  [
    'filesystem store',
    async () => {
      const root = await mkdtemp(join(tmpdir(), 'medformer-crash-'));
      return { store: await openFilesystemStore(root), close: () => rm(root, { recursive: true }) };
    },
  ],
  [
    'S3 store on MinIO',
    async () => {
      const server = await startMinio();
      return { store: openS3Store(server.options), close: () => server.stop() };
    },
  ],
];

describe.each(stores)('a crash while a checkpoint is written and others are removed, %s', (_, open) => {
  it('at any change leaves the run at the old or at the new checkpoint, and nothing for ever', async () => {
    const { store, close } = await open();
    try {
      for (const step of [1, 2, 3, 4]) await checkpoint(store, step);
      const unbroken = await keysOf(store);
      expect(await expectWhole(store)).toEqual([2, 4]);

      let crashes = 0;
      const seen = new Set<string>();
      for (const made of ['before', 'after'] as const) {
        for (let changes = 1; ; changes += 1) {
          await clear(store);
          for (const step of [1, 2, 3]) await checkpoint(store, step);
          const process = dying(store, changes, made);
          await checkpoint(process, 4).catch((thrown) => expect(thrown.message).toBe('killed'));
          if (!process.died) break;
          crashes += 1;

          const steps = await expectWhole(store);
          const newest = await loadNewestCheckpoint(store, run);
          expect(newest!.optimiser.get('m/body/a')!.data[0]).toBe(-newest!.record.step);
          expect([3, 4]).toContain(newest!.record.step);
          expect(steps).toContain(2);
          seen.add(steps.join());

          // The run goes on from there, and later its crash's leftovers are old enough.
          if (newest!.record.step === 3) await checkpoint(store, 4, 0);
          else await pruneCheckpoints(store, run, KEEP, newest!.record.history, { looseLifetimeMs: 0 });
          expect(await keysOf(store)).toEqual(unbroken);
        }
      }
      // Old, both, and new without what it replaces.
      expect([...seen].sort()).toEqual(['2,3', '2,3,4', '2,4']);
      expect(crashes).toBe(24);
    } finally {
      await close();
    }
  });
});

describe('a process that writes checkpoints', () => {
  it('killed at any moment leaves whole checkpoints only', async () => {
    const root = await mkdtemp(join(tmpdir(), 'medformer-crash-'));
    const rng = Rng.of('kill', 1);
    try {
      let step = 0;
      for (let kill = 0; kill < 6; kill += 1) {
        const writer = spawn(
          process.execPath,
          [new URL('testing/endless-writer.js', import.meta.resolve('@medformer/checkpoint')).pathname, root],
          { stdio: ['ignore', 'pipe', 'inherit'] },
        );
        await once(writer.stdout, 'data');
        await sleep(rng.integer(150));
        writer.kill('SIGKILL');
        await once(writer, 'exit');

        const store = await openFilesystemStore(root);
        const [{ value }] = [await store.list('runs/')[Symbol.asyncIterator]().next()];
        const written = (value!.key as string).split('/')[1]!;
        const newest = await loadNewestCheckpoint(store, written);
        expect(newest!.record.step).toBeGreaterThan(step);
        step = newest!.record.step;
        for (const { checkpoint } of await listCheckpoints(store, written)) {
          const { record, weights } = await loadCheckpoint(store, checkpoint);
          expect(new Set(weights.get('body/a')!.data)).toEqual(new Set([record.step]));
        }
      }
    } finally {
      await rm(root, { recursive: true });
    }
  });
});
