import { describe, expect, it } from 'vitest';
import { emaDecayAt } from './ema-decay.js';

const decays = (ramp: 'warm-up' | 'cosine' | 'constant') =>
  [1, 2, 50, 100].map((step) => emaDecayAt(step, 100, { decay: 0.9, ramp }));

describe('the decay of the moving average', () => {
  it('is the same in every step when constant', () => {
    expect(decays('constant')).toEqual([0.9, 0.9, 0.9, 0.9]);
  });

  it('starts low and reaches its value when warmed up', () => {
    expect(decays('warm-up')).toEqual([2 / 11, 3 / 12, 51 / 60, 0.9]);
  });

  it('rises from its value to just below 1 along a cosine', () => {
    const [first, second, middle, last] = decays('cosine') as [number, number, number, number];

    expect(first).toBe(0.9);
    expect(second).toBeGreaterThan(first);
    expect(middle).toBeCloseTo(0.95, 2);
    expect(last).toBeGreaterThan(0.9999);
    expect(last).toBeLessThan(1);
  });
});
