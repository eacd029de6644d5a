import { describe, expect, it } from 'vitest';
import { calibrationError } from './calibration-error.js';
import { matrixOf } from './matrix.js';

describe('calibrationError', () => {
  it('is 0 where confidence is accuracy, and the gap where it is not', () => {
    const scores = matrixOf(new Array(4).fill([0.25, 0.75]));
    expect(calibrationError(scores, { kind: 'binary', classes: [1, 1, 1, 0] })).toBe(0);
    expect(calibrationError(scores, { kind: 'binary', classes: [0, 0, 0, 0] })).toBe(0.75);
  });

  it('puts a confidence on the edge of two bins into the lower one', () => {
    // With bins of 0.5, 0.5 and 0.6 differ; in one bin their errors would cancel.
    const scores = matrixOf([
      [0.5, 0.5],
      [0.4, 0.6],
    ]);
    const labels = { kind: 'multi-class' as const, classes: [0, 0] };
    expect(calibrationError(scores, labels, { bins: 2 })).toBeCloseTo(0.55, 12);
    expect(calibrationError(scores, labels, { bins: 1 })).toBeCloseTo(0.05, 12);
  });

  it('refuses scores that are no probabilities', () => {
    expect(() => calibrationError(matrixOf([[-1, 2]]), { kind: 'multi-class', classes: [0] })).toThrow(
      /image 0: expected a probability, found -1/,
    );
  });
});
