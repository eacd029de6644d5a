import { describe, expect, it } from 'vitest';
import { macroF1 } from './f1.js';
import { matrixOf } from './matrix.js';

describe('macroF1', () => {
  it('counts a class that is predicted but never there as 0, and leaves out one that is neither', () => {
    const scores = matrixOf([
      [0.9, 0.1, 0],
      [0.4, 0.6, 0],
    ]);
    expect(macroF1(scores, { kind: 'multi-class', classes: [0, 0] })).toBeCloseTo(2 / 3 / 2, 12);
  });

  it('is 0 where no label occurs or is predicted', () => {
    const none = matrixOf([[0, 0]]);
    expect(macroF1(none, { kind: 'multi-label', flags: none })).toBe(0);
  });
});
