import { describe, expect, it } from 'vitest';
import { contentAddress } from '../canonical-json.js';
import { sha256 } from '../index.js';
import type { HistoryEntry } from './checkpoint-record.js';
import { KeepSpec, keptSteps, metricAt } from './keep-spec.js';
import { RunSpec, runId } from './run-spec.js';

const RUN = { dataset: sha256('d'), method: { name: 'simclr' }, steps: 100, codeVersion: 'test' };

/** A loss that falls to step 60 and rises again, and kNN accuracy every 20 steps, best at 40 and 80. */
const history: HistoryEntry[] = Array.from({ length: 100 }, (_, at) => {
  const step = at + 1;
  const accuracy = { 20: 0.5, 40: 0.8, 60: 0.7, 80: 0.8, 100: 0.6 }[step];
  return {
    step,
    loss: 1 + Math.abs(step - 60),
    learningRate: 0.1,
    gradientNorm: 1,
    ...(accuracy === undefined ? {} : { online: { knn: { accuracy, auc: 1 - accuracy } } }),
  };
});
const STEPS = [0, 20, 40, 50, 60, 80, 100];
const kept = (keep: object) => Object.fromEntries(keptSteps(STEPS, history, KeepSpec.parse(keep)));

describe('what a run keeps', () => {
  it('is its two newest checkpoints unless it says otherwise', () => {
    expect(kept({})).toEqual({ 80: ['last'], 100: ['last'] });
    expect(kept({ last: 1 })).toEqual({ 100: ['last'] });
  });

  it('is also the one of the lowest loss, by the mean over the steps before it', () => {
    expect(metricAt(history, 'loss', 60)).toBeCloseTo(10.5, 12);
    expect(metricAt(history, 'loss', 80)).toBeCloseTo(11.5, 12);
    expect(kept({ last: 1, best: 'loss' })).toEqual({ 60: ['best'], 100: ['last'] });
  });

  it('is also the first of those with the highest online score, of the steps that were scored', () => {
    expect(kept({ last: 1, best: 'knn-accuracy' })).toEqual({ 40: ['best'], 100: ['last'] });
    expect(kept({ last: 1, best: 'knn-auc' })).toEqual({ 20: ['best'], 100: ['last'] });
    expect(metricAt(history, 'knn-accuracy', 50)).toBeUndefined();
    expect(kept({ last: 1, best: 'linear-probe-auc' })).toEqual({ 100: ['last'] });
  });

  it('is also the one before the first step, where asked for', () => {
    expect(kept({ last: 3, best: 'loss', initial: true })).toEqual({
      0: ['initial'],
      60: ['best', 'last'],
      80: ['last'],
      100: ['last'],
    });
  });

  it('is also those of every so many steps, where asked for', () => {
    expect(kept({ last: 1, every: 40, best: 'knn-accuracy' })).toEqual({
      40: ['best', 'every'],
      80: ['every'],
      100: ['last'],
    });
  });

  it('is no part of the run id', () => {
    const spec = RunSpec.parse({ ...RUN, keep: { last: 5, best: 'loss' } });
    expect(runId(spec)).toBe(runId(RunSpec.parse(RUN)));
    expect(runId(spec)).toBe(contentAddress(RunSpec.parse(RUN)));
  });

  it.each([
    ['an online score that is not monitored', { keep: { best: 'knn-auc' } }, 'loss, or a protocol'],
    [
      'a score of other steps than checkpoints are written at',
      { keep: { best: 'knn-auc' }, monitor: { task: 't', every: 20 }, checkpointEvery: 50 },
      'checkpointEvery: a multiple of monitor.every',
    ],
  ])('is refused by %s', (_, change, message) => {
    expect(RunSpec.safeParse({ ...RUN, ...change }).error?.issues).toEqual([
      expect.objectContaining({ path: ['keep', 'best'], message: expect.stringContaining(message) }),
    ]);
  });
});
