import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkRunSpec } from './commands/train.js';
import { readSpec } from './spec-file.js';

let folder: string;
let file: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medformer-spec-'));
  file = join(folder, 'run.yaml');
  await writeFile(file, 'dataset: phantom\nsteps: 10\nmethod: { name: simclr }\n');
});

afterAll(() => rm(folder, { recursive: true }));

describe('readSpec', () => {
  it('sets nested keys with typed values', async () => {
    const spec = await readSpec(file, ['optimiser.learningRate=3e-4', 'steps=20', 'dimensions=[2, 3]']);
    expect(spec).toEqual({
      dataset: 'phantom',
      steps: 20,
      method: { name: 'simclr' },
      optimiser: { learningRate: 3e-4 },
      dimensions: [2, 3],
    });
  });

  it('names file and line of broken YAML', async () => {
    const broken = join(folder, 'broken.yaml');
    await writeFile(broken, 'a: 1\nb: [2\n');
    await expect(readSpec(broken)).rejects.toThrow(/broken\.yaml:\d+: /);
  });

  it('refuses an override without a value and one that goes through a number', async () => {
    await expect(readSpec(file, ['steps'])).rejects.toThrow('--set steps: expected key.path=value');
    await expect(readSpec(file, ['steps.deep=1'])).rejects.toThrow('steps holds a value, not a mapping');
  });
});

describe('checkRunSpec', () => {
  it('accepts a dataset by name and leaves defaults to the service', async () => {
    const spec = await readSpec(file);
    checkRunSpec(spec, file);
    expect(spec).not.toHaveProperty('batchSize');
  });

  it('refuses a misspelt key at any depth instead of taking its default', async () => {
    const spec = await readSpec(file, ['stepz=1', 'method.temprature=0.1']);
    expect(() => checkRunSpec(spec, 'run.yaml')).toThrow(
      'run.yaml: method.temprature: no such key; stepz: no such key',
    );
  });

  it('names the key of a wrong value', async () => {
    const spec = await readSpec(file, ['batchSize=many']);
    expect(() => checkRunSpec(spec, 'run.yaml')).toThrow(/run\.yaml: batchSize: /);
  });
});
