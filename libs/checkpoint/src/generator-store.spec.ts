import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ObjectStore, openFilesystemStore } from '@medformer/object-store';
import { GeneratorSpec, type StoredTensor, sha256 } from '@medformer/schema';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  generatorRunId,
  listGenerators,
  loadGenerator,
  loadNewestGenerator,
  writeGenerator,
} from './generator-store.js';
import { refer } from './references.js';

const id = { spec: GeneratorSpec.parse({}), dataset: sha256('dataset'), codeVersion: '0.1.0+test' };
const tensor = (...values: number[]): StoredTensor => ({
  dtype: 'F32',
  shape: [values.length],
  data: Float32Array.from(values),
});
const content = (step: number) => ({
  step,
  channels: 1,
  weights: new Map([['generator/a', tensor(step, 2)]]),
  optimiser: new Map([['m/generator/a', tensor(0.5 * step, 0)]]),
  history: [],
});

describe('generators in the store', () => {
  let root: string;
  let store: ObjectStore;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'medformer-generator-'));
    store = await openFilesystemStore(root);
  });
  afterEach(() => rm(root, { recursive: true }));

  it('come back with weights, optimiser and lineage', async () => {
    const generator = await writeGenerator(store, id, content(3));
    const found = await loadNewestGenerator(store, generatorRunId(id));
    expect(found?.generator).toBe(generator);
    expect(found?.record).toMatchObject({ ...id, step: 3, channels: 1 });
    expect(found?.weights.get('generator/a')?.data).toEqual(Float32Array.of(3, 2));
    expect(found?.optimiser.get('m/generator/a')?.data).toEqual(Float32Array.of(1.5, 0));
    expect((await loadGenerator(store, generator)).record).toEqual(found?.record);
  });

  it('keep the newest state, and older ones that fusions were made with', async () => {
    const first = await writeGenerator(store, id, content(1));
    const second = await writeGenerator(store, id, content(2));
    await expect(loadGenerator(store, first)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await refer(store, second, 'dataset-test');
    const third = await writeGenerator(store, id, content(3));
    expect((await listGenerators(store)).map(({ generator }) => generator)).toEqual([second, third]);
    expect((await loadGenerator(store, second)).record.step).toBe(2);
  });

  it('are the same address for the same state, and another run for another spec', async () => {
    expect(await writeGenerator(store, id, content(3))).toBe(await writeGenerator(store, id, content(3)));
    const other = { ...id, spec: GeneratorSpec.parse({ seed: 1 }) };
    expect(generatorRunId(other)).not.toBe(generatorRunId(id));
  });

  it('leave no blob behind that no record names', async () => {
    for (let step = 1; step <= 4; step += 1) await writeGenerator(store, id, content(step));
    const keys: string[] = [];
    for await (const { key } of store.list('')) keys.push(key);
    // A pointer, a record, two blobs of tensors.
    expect(keys).toHaveLength(4);
  });
});
