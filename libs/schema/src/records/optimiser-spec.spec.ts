import { describe, expect, it } from 'vitest';
import { parseRecord } from '../parse-record.js';
import { OptimiserSpec } from './optimiser-spec.js';
import { RunSpec, runId } from './run-spec.js';

const parse = (value: unknown) => parseRecord(OptimiserSpec, value, 'optimiser');
const RUN = { dataset: '0'.repeat(64), method: { name: 'simclr' }, steps: 10, codeVersion: 'unset' };

describe('the optimiser of a run', () => {
  it('is AdamW with its published settings where nothing is said', () => {
    expect(RunSpec.parse(RUN).optimiser).toEqual({
      name: 'adamw',
      learningRate: 1e-3,
      rateScaling: 'none',
      warmupSteps: 20,
      schedule: { name: 'cosine' },
      finalLearningRate: 1e-5,
      weightDecay: 0.05,
      decayed: ['*/weight'],
      clipNorm: 1,
      beta1: 0.9,
      beta2: 0.95,
    });
  });

  it('means the same in a spec from before there were others', () => {
    const before = {
      name: 'adamw',
      learningRate: 2e-3,
      weightDecay: 0.05,
      beta1: 0.9,
      beta2: 0.95,
      warmupSteps: 10,
      finalLearningRate: 1e-5,
      clipNorm: 1,
    };

    expect(parse(before)).toEqual(parse({ learningRate: 2e-3, warmupSteps: 10 }));
  });

  it('is the same record, named or not, and read twice', () => {
    const spec = RunSpec.parse(RUN);

    expect(RunSpec.parse(spec)).toEqual(spec);
    expect(runId(RunSpec.parse({ ...RUN, optimiser: { name: 'adamw' } }))).toBe(runId(spec));
  });

  it.each([
    ['adam', { beta1: 0.9, beta2: 0.999, weightDecay: 0 }],
    ['sgd', { momentum: 0.9, nesterov: false, weightDecay: 1e-4 }],
    ['lars', { momentum: 0.9, trust: 1e-3, convention: 'barlow-twins', weightDecay: 1e-6, clipNorm: 0 }],
  ])('%s has defaults of its own', (name, expected) => {
    expect(parse({ name })).toMatchObject(expected);
  });

  it.each([
    [{ momentum: 0.9 }, 'optimiser: momentum: no such key'],
    [{ name: 'sgd', beta1: 0.9 }, 'optimiser: beta1: no such key'],
    [{ name: 'adam', learningrate: 1 }, 'optimiser: learningrate: no such key'],
    [{ schedule: { name: 'constant', factor: 2 } }, 'optimiser: schedule.factor: no such key'],
    [{ name: 'sgdw' }, 'optimiser: name: expected adamw, adam, sgd or lars'],
    [{ schedule: { name: 'linear' } }, 'optimiser: schedule.name: expected cosine, constant or steps'],
    [
      { decayed: ['*weight', '(bias)'] },
      'optimiser: decayed.1: expected a parameter name with * for anything',
    ],
  ])('%j is refused with the path of the key', (value, message) => {
    expect(() => parse(value)).toThrow(message);
  });
});
