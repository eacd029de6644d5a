import { describe, expect, it } from 'vitest';
import { learningRateAt } from './learning-rate.js';

const RATES = { learningRate: 1, finalLearningRate: 0.1, warmupSteps: 10 };

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
});
