import { RunState } from '@medformer/gen/trainer';
import { describe, expect, it } from 'vitest';
import { type SeededRun, seededSpecs, seedsRecord, seedsTable } from './seeded-runs.js';

const SPEC = { dataset: 'phantom', steps: 10, method: { name: 'simclr' } };

describe('seeds in a spec', () => {
  it('are one spec each, otherwise the same', () => {
    expect(seededSpecs({ ...SPEC, seeds: [0, 7] }, 'run.yaml')).toEqual([
      { seed: 0, spec: { ...SPEC, seed: 0 } },
      { seed: 7, spec: { ...SPEC, seed: 7 } },
    ]);
    expect(seededSpecs({ ...SPEC, seed: 1 }, 'run.yaml')).toBeUndefined();
  });

  it('draw the labels of a method that has few, unless it says which', () => {
    const method = { name: 'supervised', task: 'region', labelsPerClass: 10 };
    const methods = (given: object) =>
      seededSpecs({ ...SPEC, method: given, seeds: [3] }, 'run.yaml')!.map(({ spec }) => spec.method);

    expect(methods(method)).toEqual([{ ...method, labelSeed: 3 }]);
    expect(methods({ ...method, labelSeed: 0 })).toEqual([{ ...method, labelSeed: 0 }]);
    const tasks = [{ task: 'a', labelsPerClass: 5 }, { task: 'b' }];
    expect(methods({ name: 'multi-task', tasks })).toEqual([
      { name: 'multi-task', tasks: [{ ...tasks[0], labelSeed: 3 }, tasks[1]] },
    ]);
    expect(methods({ name: 'supervised', task: 'region' })).toEqual([{ name: 'supervised', task: 'region' }]);
  });

  it.each([
    [{ seeds: 3 }, 'run.yaml: seeds: expected a list of whole numbers, e.g. [0, 1, 2]'],
    [{ seeds: [] }, 'run.yaml: seeds: expected a list'],
    [{ seeds: [0.5] }, 'run.yaml: seeds: expected a list'],
    [{ seeds: [1, 1] }, 'run.yaml: seeds: each one once'],
    [{ seeds: [1, 2], seed: 3 }, 'run.yaml: seed: already among seeds'],
  ])('%j are refused, naming the key', (change, message) => {
    expect(() => seededSpecs({ ...SPEC, ...change }, 'run.yaml')).toThrow(message);
  });
});

describe('runs over seeds', () => {
  it('are summarised by mean and sample standard deviation', () => {
    const runs = [runOf(0, 2, 0.5), runOf(1, 4, 0.7)];

    const { summary } = seedsRecord(runs);
    expect(summary).toEqual({
      loss: { mean: 3, std: Math.SQRT2, values: [2, 4] },
      'knn accuracy': { mean: 0.6, std: expect.closeTo(0.1414, 4), values: [0.5, 0.7] },
      'knn AUC': { mean: 0.9, std: 0, values: [0.9, 0.9] },
    });
    expect(seedsTable(runs)).toContain('3.0000 ± 1.4142');
    expect(seedsTable(runs)).toContain('0.6000 ± 0.1414');
  });

  it('have no spread when there is one, and no summary before a checkpoint', () => {
    expect(seedsTable([runOf(0, 2, 0.5)])).not.toContain('2.0000 ±');
    expect(seedsRecord([{ ...runOf(0, 2, 0.5), result: undefined }])).toMatchObject({
      runs: [{ seed: 0, metrics: {} }],
      summary: {},
    });
  });
});

function runOf(seed: number, loss: number, accuracy: number): SeededRun {
  return {
    seed,
    run: {
      run: String(seed).repeat(64),
      state: RunState.RUN_STATE_SUCCEEDED,
      step: 10n,
      steps: 10n,
      method: 'simclr',
      checkpoint: 'c'.repeat(64),
      failure: '',
      failureCode: '',
      reason: '',
      etaSeconds: 0,
    },
    result: { loss, online: [{ protocol: 'knn', accuracy, auc: 0.9 }], onlineStep: 10n },
  };
}
