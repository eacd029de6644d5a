import type { PairedTest } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { judgePromotion } from './judge-promotion.js';

const gate = { metric: 'auc', minimum: 0.8, margin: 0.02, split: 'test' } as const;
const row = (auc: number) => ({
  auc: { mean: auc, std: 0, values: [auc] },
  accuracy: { mean: 0.5, std: 0, values: [0.5] },
});
const against = (served: number, low: number, high: number) => ({
  row: row(served),
  tests: [
    { metric: 'accuracy', test: 'paired-bootstrap', difference: 0, interval: { low: -1, high: 1 } },
    { metric: 'auc', test: 'paired-bootstrap', difference: (low + high) / 2, interval: { low, high } },
  ].map((test) => ({ first: 0, second: 1, p: 1, ...test }) as PairedTest),
});

describe('a candidate', () => {
  it('is promoted by its score where nothing answers yet', () => {
    expect(judgePromotion(gate, row(0.8))).toEqual({ score: 0.8, promoted: true, reasons: [] });
  });

  it('is refused below the minimum, with both numbers', () => {
    const { promoted, reasons } = judgePromotion(gate, row(0.79));
    expect(promoted).toBe(false);
    expect(reasons).toEqual(['auc on test images is 0.7900, below the minimum of 0.8000']);
  });

  it('is promoted when it is no worse than the served model by more than the margin', () => {
    expect(judgePromotion(gate, row(0.9), against(0.905, -0.02, 0.01))).toMatchObject({
      servedScore: 0.905,
      difference: -0.005,
      interval: { low: -0.02, high: 0.01 },
      promoted: true,
    });
  });

  it('is refused when it may be worse by more, even if its own score is better', () => {
    const { promoted, reasons } = judgePromotion(gate, row(0.91), against(0.9, -0.08, 0.1));
    expect(promoted).toBe(false);
    expect(reasons).toEqual([
      "auc may be 0.0800 worse than the served model's (interval -0.0800 to 0.1000), more than the margin of 0.0200",
    ]);
  });

  it('is refused for both reasons at once', () => {
    expect(judgePromotion(gate, row(0.7), against(0.9, -0.3, -0.1)).reasons).toHaveLength(2);
  });

  it('is refused when the two cannot be compared', () => {
    const { promoted, reasons } = judgePromotion(gate, row(0.9), { row: row(0.9), tests: [] });
    expect(promoted).toBe(false);
    expect(reasons[0]).toContain('cannot be compared');
  });
});
