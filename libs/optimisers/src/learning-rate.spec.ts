import { RunSpec, type ScheduleSpec } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { batchFactor, learningRateAt, runRateAt } from './learning-rate.js';

const RATES = {
  learningRate: 1,
  finalLearningRate: 0.1,
  warmupSteps: 10,
  schedule: { name: 'cosine' as const },
};

describe('the learning rate', () => {
  it.each([
    [1, 0.1],
    [5, 0.5],
    [10, 1],
    // Half way down the cosine: the middle of peak and end.
    [60, 0.55],
    // A third of the way: cos(pi / 3) = 1/2.
    [10 + 100 / 3, 0.1 + 0.9 * 0.75],
    [110, 0.1],
  ])('at step %d of 110 is %d', (step, expected) => {
    expect(learningRateAt(step, 110, RATES)).toBeCloseTo(expected, 12);
  });

  it('rises, then falls, and never leaves its range', () => {
    const rates = Array.from({ length: 110 }, (_, index) => learningRateAt(index + 1, 110, RATES));

    rates.slice(1).forEach((rate, index) => {
      if (index + 2 <= 10) expect(rate).toBeGreaterThan(rates[index]!);
      else expect(rate).toBeLessThan(rates[index]!);
    });
    expect(Math.max(...rates)).toBe(1);
    expect(Math.min(...rates)).toBeCloseTo(0.1, 12);
  });

  it('falls from the first step without a warm-up', () => {
    const plain = { ...RATES, warmupSteps: 0 };

    expect(learningRateAt(1, 1000, plain)).toBeCloseTo(1, 4);
    expect(learningRateAt(1000, 1000, plain)).toBe(0.1);
  });

  it('still reaches its end where the run is shorter than the warm-up', () => {
    const short = [1, 2, 3, 4].map((step) => learningRateAt(step, 4, RATES));

    expect(short).toEqual([1 / 3, 2 / 3, 1, 0.1]);
    expect(learningRateAt(1, 1, RATES)).toBe(0.1);
  });

  it('falls by a factor after each share of the steps, and stays at its peak when constant', () => {
    const rates = (schedule: ScheduleSpec) =>
      [1, 2, 50, 51, 75, 76, 100].map((step) =>
        learningRateAt(step, 100, { ...RATES, warmupSteps: 2, schedule }),
      );

    const falling = rates({ name: 'steps', at: [0.5, 0.75], factor: 0.1 });
    [0.5, 1, 1, 0.1, 0.1, 0.01, 0.01].forEach((rate, index) => {
      expect(falling[index]).toBeCloseTo(rate, 12);
    });
    expect(rates({ name: 'constant' })).toEqual([0.5, 1, 1, 1, 1, 1, 1]);
  });

  it('grows with the batch, or with its root, where the run says so', () => {
    expect(['none', 'linear', 'sqrt'].map((scaling) => batchFactor(scaling as 'none', 1024))).toEqual([
      1, 4, 2,
    ]);

    const spec = RunSpec.parse({
      dataset: '0'.repeat(64),
      method: { name: 'simclr' },
      steps: 10,
      batchSize: 64,
      optimiser: { learningRate: 1, warmupSteps: 1, rateScaling: 'linear' },
      codeVersion: 'unset',
    });
    expect(runRateAt(spec, 1)).toBe(0.25);
  });
});
