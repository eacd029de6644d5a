import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blobKey, type ObjectStore, openFilesystemStore } from '@medformer/object-store';
import { KeepSpec, parseRecord, RunSpec, runId, type StoredTensor, sha256 } from '@medformer/schema';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  getCheckpointRecord,
  loadCheckpoint,
  loadNewestCheckpoint,
  pruneCheckpoints,
  writeCheckpoint,
} from './checkpoint-store.js';
import { isReferred, refer, referFor, release } from './references.js';
import { getRunSpec, listCheckpoints, listRuns, putRunSpec } from './run-store.js';

const spec = parseRecord(
  RunSpec,
  { dataset: sha256('dataset'), method: { name: 'simclr' }, steps: 100, codeVersion: '0.1.0+test' },
  'run',
);
const codes = { modalities: ['ct'], bodyParts: ['head'], tasks: [] };
const input = { mean: 0.5, std: 0.5 };

function content(step: number) {
  const tensor = (...values: number[]): StoredTensor => ({
    dtype: 'F32',
    shape: [values.length],
    data: Float32Array.from(values),
  });
  const weights = new Map([
    ['input/a', tensor(step, 1)],
    ['body/b', tensor(2)],
    ['method/simclr/c', tensor(3)],
  ]);
  const optimiser = new Map([
    ['m/body/b', tensor(0.5 + step)],
    ['v/body/b', tensor(0.25)],
  ]);
  return {
    step,
    weights,
    optimiser,
    history: [{ step, loss: 1 / step, learningRate: 0.1, gradientNorm: 2 }],
  };
}

describe('checkpoints', () => {
  let root: string;
  let store: ObjectStore;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'medformer-checkpoint-'));
    store = await openFilesystemStore(root);
  });
  afterEach(() => rm(root, { recursive: true }));

  it('gives back the weights, the optimiser and the lineage it was given', async () => {
    const hash = await writeCheckpoint(store, spec, codes, input, content(50));
    const loaded = await loadNewestCheckpoint(store, runId(spec));
    expect(loaded?.checkpoint).toBe(hash);
    expect(loaded?.record).toMatchObject({
      run: runId(spec),
      step: 50,
      dataset: spec.dataset,
      codeVersion: spec.codeVersion,
    });
    expect(loaded?.record.parts).toEqual({
      input: ['input/a'],
      body: ['body/b'],
      output: [],
      method: ['method/simclr/c'],
    });
    expect([...(loaded?.weights.get('input/a')?.data ?? [])]).toEqual([50, 1]);
    expect([...(loaded?.optimiser.get('m/body/b')?.data ?? [])]).toEqual([50.5]);
  });

  it('has the same address for the same state and another for another state', async () => {
    const first = await writeCheckpoint(store, spec, codes, input, content(50));
    expect(await writeCheckpoint(store, spec, codes, input, content(50))).toBe(first);
    expect(await writeCheckpoint(store, spec, codes, input, content(51))).not.toBe(first);
  });

  it('refuses weights whose bytes were altered, naming the hash', async () => {
    const hash = await writeCheckpoint(store, spec, codes, input, content(50));
    const { record } = await loadCheckpoint(store, hash);
    await store.put(blobKey(record.weights[0]!.sha256), Buffer.from('altered'));
    await expect(loadCheckpoint(store, hash)).rejects.toMatchObject({
      code: 'DATA_LOSS',
      message: expect.stringContaining(record.weights[0]!.sha256),
    });
  });

  it('keeps what is asked for and what is referred to, and removes the bytes of the others', async () => {
    const hashes: string[] = [];
    for (const step of [10, 20, 30, 40])
      hashes.push(await writeCheckpoint(store, spec, codes, input, content(step)));
    await refer(store, hashes[1]!, 'report-1');
    await refer(store, hashes[1]!, 'encoder');
    const prune = () => pruneCheckpoints(store, runId(spec), KeepSpec.parse({ last: 2 }), []);
    const steps = async () => (await listCheckpoints(store, runId(spec))).map(({ step }) => step);

    await prune();
    expect(await steps()).toEqual([20, 30, 40]);
    await expect(loadCheckpoint(store, hashes[0]!)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await loadCheckpoint(store, hashes[1]!);
    await release(store, hashes[1]!, 'encoder');
    await prune();
    expect(await steps()).toEqual([20, 30, 40]);
    await release(store, hashes[1]!, 'report-1');
    await prune();
    expect(await steps()).toEqual([30, 40]);
    const left: string[] = [];
    for await (const { key } of store.list('')) left.push(key);
    expect(left).toHaveLength(2 * 4);
  });

  it('is no longer referred to by what failed, unless that referred to it before', async () => {
    const [old, fresh] = [sha256('old'), sha256('fresh')];
    await refer(store, old, 'report-1');
    const failing = referFor(store, [old, fresh], 'report-1', async () => {
      expect(await isReferred(store, fresh)).toBe(true);
      throw new Error('failed');
    });
    await expect(failing).rejects.toThrow('failed');
    expect([await isReferred(store, old), await isReferred(store, fresh)]).toEqual([true, false]);
    expect(await referFor(store, [fresh], 'report-2', async () => 'done')).toBe('done');
    expect(await isReferred(store, fresh)).toBe(true);
  });

  it('refers to no checkpoint by what is no address', async () => {
    await expect(refer(store, 'newest', 'encoder')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await isReferred(store, sha256('nothing'))).toBe(false);
  });

  it('are the same whatever their run keeps', async () => {
    const first = await writeCheckpoint(store, spec, codes, input, content(50));
    const keep = KeepSpec.parse({ last: 9 });
    expect(await writeCheckpoint(store, { ...spec, keep }, codes, input, content(50))).toBe(first);
  });

  it('say what their steps were computed with', async () => {
    const runtime = { tensorflow: '2.21.0', threads: 2, processor: 'some', node: '22.0.0', workers: 1 };
    const hash = await writeCheckpoint(store, spec, codes, input, { ...content(50), runtime });
    expect((await getCheckpointRecord(store, hash)).runtime).toEqual(runtime);
  });

  it('lists a run once, however often its spec is written, and with what it is to keep by the last', async () => {
    await putRunSpec(store, spec);
    const keep = KeepSpec.parse({ best: 'loss' });
    await putRunSpec(store, { ...spec, keep });
    expect(await listRuns(store)).toEqual([{ run: runId(spec), hasCheckpoints: false, cancelled: false }]);
    expect((await getRunSpec(store, runId(spec))).keep).toEqual(keep);
  });
});
