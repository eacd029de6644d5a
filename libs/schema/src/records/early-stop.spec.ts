import { describe, expect, it } from 'vitest';
import type { HistoryEntry } from './checkpoint-record.js';
import { EarlyStop, isDone } from './early-stop.js';
import { EarlyStopSpec } from './monitor-spec.js';
import { RunSpec } from './run-spec.js';

const RUN = { dataset: '0'.repeat(64), method: { name: 'simclr' }, steps: 10, codeVersion: 'unset' };

describe('early stop', () => {
  it('ends when the loss has not fallen for as many steps as its patience', () => {
    expect(endOf({ patience: 3, window: 1 }, losses(5, 4, 4.5, 3, 3, 3.1, 3.2, 2))).toBe(7);
    expect(endOf({ patience: 4, window: 1 }, losses(5, 4, 4.5, 3, 3, 3.1, 3.2, 2))).toBeUndefined();
  });

  it('judges the loss by its mean over the last steps', () => {
    // Means of three: 4, 4, 5, 4: no single outlier counts as better.
    expect(endOf({ patience: 2, window: 3 }, losses(4, 4, 4, 4, 7, 1))).toBe(5);
  });

  it('takes a gain below minDelta for none', () => {
    const slow = losses(1, 0.999, 0.998, 0.997);

    expect(endOf({ patience: 3, window: 1 }, slow)).toBeUndefined();
    expect(endOf({ patience: 3, window: 1, minDelta: 0.01 }, slow)).toBe(4);
  });

  it('counts slow gains together, until they are more than minDelta', () => {
    expect(
      endOf({ patience: 3, window: 1, minDelta: 0.015 }, losses(1, 0.99, 0.98, 0.97, 0.96)),
    ).toBeUndefined();
  });

  it('looks at online scores only where there are some', () => {
    const history = losses(9, 8, 7, 6, 5, 4).map((entry) =>
      entry.step % 2 === 0 ? { ...entry, online: { knn: { accuracy: 0.5, auc: entry.step / 10 } } } : entry,
    );

    expect(endOf({ patience: 3, metric: 'knn-accuracy' }, history)).toBe(6);
    expect(endOf({ patience: 3, metric: 'knn-auc' }, history)).toBeUndefined();
  });
});

describe('a run', () => {
  const stopping = { ...RUN, earlyStop: { patience: 2, window: 1 } };
  const state = (history: HistoryEntry[]) => ({ step: history.length, history });

  it('is done at its last step, or where it ended early', () => {
    expect(isDone(RunSpec.parse(RUN), state(losses(...Array(10).fill(1))))).toBe(true);
    expect(isDone(RunSpec.parse(RUN), state(losses(1, 1, 1)))).toBe(false);
    expect(isDone(RunSpec.parse(stopping), state(losses(1, 1, 1)))).toBe(true);
    expect(isDone(RunSpec.parse(stopping), state(losses(1, 1)))).toBe(false);
    expect(isDone(RunSpec.parse(stopping), state([]))).toBe(false);
  });

  it('refuses to end early by what is not monitored, naming the key', () => {
    const by = (monitor: object | undefined) =>
      RunSpec.safeParse({ ...RUN, monitor, earlyStop: { patience: 5, metric: 'linear-probe-auc' } });

    expect(by({ task: 'region', protocols: ['linear-probe'] }).success).toBe(true);
    expect(by({ task: 'region' }).error?.issues[0]).toMatchObject({
      path: ['earlyStop', 'metric'],
      message: 'expected loss, or a protocol that monitor.protocols has',
    });
    expect(by(undefined).success).toBe(false);
  });
});

const losses = (...values: number[]): HistoryEntry[] =>
  values.map((loss, index) => ({ step: index + 1, loss, learningRate: 1, gradientNorm: 1 }));

function endOf(spec: object, history: HistoryEntry[]): number | undefined {
  const early = new EarlyStop(EarlyStopSpec.parse(spec));
  return history.find((entry) => early.after(entry))?.step;
}
