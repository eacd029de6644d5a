import type { CheckpointRecord, MetricSummary, ScoreReport, ScoreRow } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { summariseFindings } from './findings.js';

const row = (label: string, protocol: ScoreRow['protocol'], mean: number, std: number): ScoreRow => {
  const metric: MetricSummary = { mean, std, values: [mean - std, mean, mean + std] };
  return {
    label,
    protocol,
    checkpoints: [],
    auc: metric,
    accuracy: metric,
    top1: metric,
    top3: metric,
    top5: metric,
    confusion: [],
    perClass: [],
  };
};

const reportOf = (...rows: ScoreRow[]) => ({ classes: ['a', 'b', 'c', 'd'], rows }) as unknown as ScoreReport;

describe('summariseFindings', () => {
  it('claims a gain only beyond the spread of both rows', () => {
    const clear = reportOf(row('SimCLR', 'linear-probe', 0.8, 0.02), row('Scratch', 'head', 0.6, 0.03));
    expect(summariseFindings(clear)).toBe(
      'SimCLR (linear probe) reaches 80.0 ± 2.0 % accuracy, 20.0 points above Scratch (supervised) (60.0 ± 3.0 %), more than the spread over seeds of either. Chance is 25.0 %.',
    );

    const unclear = reportOf(row('SimCLR', 'knn', 0.62, 0.02), row('Scratch', 'head', 0.6, 0.03));
    expect(summariseFindings(unclear)).toContain('no difference is shown');
  });

  it('claims nothing about spread from a single run', () => {
    const single = row('Scratch', 'head', 0.6, 0);
    single.accuracy.values = [0.6];

    expect(summariseFindings(reportOf(row('SimCLR', 'knn', 0.8, 0.01), single))).toContain(
      'how far seeds scatter is not known',
    );
  });

  it('counts a fine-tuned row as self-supervised, not as the baseline', () => {
    const tuned = { ...row('SimCLR, fine-tuned', 'head', 0.8, 0.01), checkpoints: ['tuned'] };
    const scratch = { ...row('Scratch', 'head', 0.7, 0.01), checkpoints: ['scratch'] };
    const checkpoints = new Map([
      ['tuned', { spec: { initial: { checkpoint: 'pretrained' } } } as CheckpointRecord],
      ['scratch', { spec: {} } as CheckpointRecord],
    ]);

    expect(summariseFindings(reportOf(tuned, scratch), checkpoints)).toContain('10.0 points above Scratch');
  });

  it('says so when self-supervision is worse', () => {
    const worse = reportOf(row('SimCLR', 'knn', 0.5, 0.01), row('Scratch', 'head', 0.6, 0.01));

    expect(summariseFindings(worse)).toContain('10.0 points below Scratch');
  });
});
