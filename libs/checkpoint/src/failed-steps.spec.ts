import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ObjectStore, openFilesystemStore } from '@medformer/object-store';
import { parseRecord, RunSpec, runId, type StoredTensor, sha256 } from '@medformer/schema';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lastFailedStep, loadFailedStep, pruneFailedSteps, putFailedStep } from './failed-steps.js';

const spec = parseRecord(
  RunSpec,
  { dataset: sha256('dataset'), method: { name: 'simclr' }, steps: 100, codeVersion: '0.1.0+test' },
  'run',
);

const tensor = (shape: number[], values: (index: number) => number): StoredTensor => ({
  dtype: 'F32',
  shape,
  data: Float32Array.from({ length: shape.reduce((product, edge) => product * edge, 1) }, (_, at) =>
    values(at),
  ),
});

function content(step: number, inputs: Map<string, StoredTensor>) {
  return {
    step,
    loss: 'NaN',
    gradientNorm: 'Infinity',
    parts: [{ images: ['a', 'b'], group: 0 }],
    policies: [],
    codes: { modalities: ['ct'], bodyParts: [], tasks: [] },
    heads: [],
    shapes: [[8, 8, 1]],
    inputs,
    weights: new Map([['body/w', tensor([3], (at) => at)]]),
    optimiser: new Map([['m/body/w', tensor([3], (at) => -at)]]),
  };
}

describe('a failed step', () => {
  let root: string;
  let store: ObjectStore;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'medformer-failed-step-'));
    store = await openFilesystemStore(root);
  });
  afterEach(() => rm(root, { recursive: true }));

  it('comes back as it was, with values that are no numbers', async () => {
    const x = tensor([2, 2], (at) => [1, Number.NaN, Number.POSITIVE_INFINITY, -2][at]!);
    const drawn: StoredTensor = { dtype: 'I32', shape: [2], data: Int32Array.of(4, 5) };
    const kept = content(
      7,
      new Map([
        ['0/x', x],
        ['0/drawn/order', drawn],
      ]),
    );
    const address = await putFailedStep(store, spec, kept);
    const { record, inputs, weights, optimiser } = await loadFailedStep(store, address);

    expect(record).toMatchObject({
      run: runId(spec),
      step: 7,
      loss: 'NaN',
      gradientNorm: 'Infinity',
      seed: 0,
    });
    expect(inputs).toEqual(kept.inputs);
    expect(weights).toEqual(kept.weights);
    expect(optimiser).toEqual(kept.optimiser);
    expect(await putFailedStep(store, spec, kept)).toBe(address);
  });

  it('may have a batch larger than an object of the store', async () => {
    // 72 MB.
    const x = tensor([9, 2_000_000], (at) => at % 1013);
    const address = await putFailedStep(store, spec, content(1, new Map([['0/x', x]])));
    const found = (await loadFailedStep(store, address)).inputs.get('0/x')!;

    expect(found.shape).toEqual(x.shape);
    expect(Buffer.compare(Buffer.from(found.data.buffer), Buffer.from(x.data.buffer))).toBe(0);
  });

  it('is found by its run, the last of several', async () => {
    await expect(lastFailedStep(store, runId(spec))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: `run ${runId(spec)}: has no failed step`,
    });
    for (const step of [12, 9, 103])
      await putFailedStep(store, spec, content(step, new Map([['0/x', tensor([1], () => step)]])));

    expect((await loadFailedStep(store, await lastFailedStep(store, runId(spec)))).record.step).toBe(103);
  });

  it('goes with all its tensors once the run has newer ones enough', async () => {
    const run = runId(spec);
    const put = (step: number) =>
      putFailedStep(store, spec, content(step, new Map([['0/x', tensor([1], () => step)]])));
    const addresses = [await put(12), await put(9), await put(103)];
    const onlyNewest = await openFilesystemStore(join(root, 'other'));
    await putFailedStep(onlyNewest, spec, content(103, new Map([['0/x', tensor([1], () => 103)]])));

    await pruneFailedSteps(store, run, 3);
    expect((await loadFailedStep(store, addresses[1]!)).record.step).toBe(9);

    await pruneFailedSteps(store, run, 1);
    for (const gone of addresses.slice(0, 2))
      await expect(loadFailedStep(store, gone)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect((await loadFailedStep(store, await lastFailedStep(store, run))).record.step).toBe(103);
    const left = (await keysOf(store)).filter((key) => !key.startsWith('other/'));
    expect(left).toEqual(await keysOf(onlyNewest));

    // Run again from an older checkpoint, and failed there: that one is the newest.
    expect(await put(12)).toBe(addresses[0]);
    await pruneFailedSteps(store, run, 1);
    expect((await loadFailedStep(store, addresses[0]!)).record.step).toBe(12);
  });
});

async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys.sort();
}
