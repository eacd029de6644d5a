import { describe, expect, it } from 'vitest';
import { averagePrecision } from './average-precision.js';
import { matrixOf } from './matrix.js';

describe('averagePrecision', () => {
  const scores = matrixOf([
    [0.1, 0.9],
    [0.2, 0.8],
    [0.3, 0.7],
  ]);

  it('averages the precision at each positive, from the highest score down', () => {
    expect(averagePrecision(scores, { kind: 'binary', classes: [1, 0, 1] })).toBeCloseTo((1 + 2 / 3) / 2, 12);
  });

  it('is the share of positives when all scores are equal', () => {
    const constant = matrixOf([[0.5], [0.5], [0.5], [0.5]]);
    expect(averagePrecision(constant, { kind: 'binary', classes: [1, 0, 0, 0] })).toBe(0.25);
  });

  it('leaves out a class without images, and refuses labels that leave none', () => {
    const three = matrixOf([
      [0.8, 0.1, 0.1],
      [0.1, 0.8, 0.1],
    ]);
    expect(averagePrecision(three, { kind: 'multi-class', classes: [0, 1] })).toBe(1);
    expect(() => averagePrecision(scores, { kind: 'binary', classes: [0, 0, 0] })).toThrow(/undefined/);
  });
});
