import { type CheckpointRecord, HealthSpec, type ScoreReport } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { collapsedRows, readHealth } from './run-health.js';

const health = HealthSpec.parse({ window: 2 });

/** A run whose loss, spread and rank go through these. */
function recordOf(losses: number[], { seed = 0, flatFrom = 99, initial = false } = {}): CheckpointRecord {
  return {
    spec: { seed, health, ...(initial ? { initial: { checkpoint: 'x' } } : {}) },
    expectedLoss: { start: 5, floor: 1, collapsed: 5, first: { least: 3, most: 7 } },
    history: losses.map((loss, at) => ({
      step: at + 1,
      loss,
      learningRate: 1e-3,
      gradientNorm: 1,
      embeddingStd: at + 1 >= flatFrom ? 0.02 : 0.5,
      effectiveRank: at + 1 >= flatFrom ? 1.2 : 9,
    })),
  } as CheckpointRecord;
}

describe('a run in words', () => {
  it('says how far the loss came', () => {
    expect(readHealth([recordOf([5, 3])])).toEqual({
      alarms: [],
      remarks: ['The loss ended at 4, 25 % of the way from its start to its floor (start 5, floor 1).'],
    });
    expect(readHealth([recordOf([5, 3]), recordOf([3, 1]), recordOf([5, 5])]).remarks).toEqual([
      'The loss ended at 2 to 5, 0 to 75 % of the way from its start to its floor (start 5, floor 1). At least one run has not left its start.',
    ]);
  });

  it('says that it has not left its start', () => {
    expect(readHealth([recordOf([5, 4.9])]).remarks).toEqual([
      'The loss has not left its start: it ended at 4.95 (start 5, floor 1).',
    ]);
  });

  it('says when it collapsed, of which seed, and whether it recovered', () => {
    const collapsed = recordOf([5, 5, 5, 5], { flatFrom: 2, seed: 7 });

    expect(readHealth([collapsed]).alarms).toEqual([
      'Collapsed: at step 3 all images had had nearly the same embedding for 2 steps (spread 0.020, effective rank 1.2), and stayed so to the end.',
    ]);
    expect(readHealth([collapsed, recordOf([5, 3])]).alarms[0]).toMatch(/^Collapsed \(seed 7\): /);
    collapsed.history.push({ ...collapsed.history[0]!, step: 5 });
    expect(readHealth([collapsed]).alarms[0]).toMatch(/, and recovered\.$/);
  });

  it('says that it started wrong, unless it started from other weights', () => {
    expect(readHealth([recordOf([40, 5])]).alarms).toEqual([
      'The first loss, 40, is outside of what random weights give: 3 to 7. Something about the loss, the labels or the pixels is likely wrong.',
    ]);
    expect(readHealth([recordOf([40, 5], { initial: true })]).alarms).toEqual([]);
  });

  it('says nothing where the run recorded nothing to expect', () => {
    const { expectedLoss: _, ...record } = recordOf([40, 5], { flatFrom: 1 });

    expect(readHealth([record as CheckpointRecord])).toEqual({ alarms: [], remarks: [] });
  });
});

it('names the rows whose runs ended collapsed', () => {
  const report = {
    rows: [
      { label: 'SimCLR', checkpoints: ['a', 'b'] },
      { label: 'SimCLR', checkpoints: ['b'] },
      { label: 'Barlow', checkpoints: ['c', 'unknown'] },
    ],
  } as ScoreReport;
  const checkpoints = new Map([
    ['a', recordOf([5, 4])],
    ['b', recordOf([5, 5, 5], { flatFrom: 1 })],
    ['c', recordOf([5, 4])],
  ]);

  expect(collapsedRows(report, checkpoints)).toEqual(['SimCLR']);
});
