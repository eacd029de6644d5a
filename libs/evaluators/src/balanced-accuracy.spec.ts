import { describe, expect, it } from 'vitest';
import { balancedAccuracy } from './balanced-accuracy.js';
import { matrixOf } from './matrix.js';

describe('balancedAccuracy', () => {
  it('weighs a rare class as much as a frequent one', () => {
    const majority = matrixOf([[0.9], [0.9], [0.9], [0.9]].map(([p]) => [p!, 1 - p!]));
    expect(balancedAccuracy(majority, { kind: 'binary', classes: [0, 0, 0, 1] })).toBe(0.5);
  });

  it('averages recall and specificity of each label', () => {
    const scores = matrixOf([
      [1, 0],
      [1, 0],
    ]);
    const flags = matrixOf([
      [1, 0],
      [0, 0],
    ]);
    // The first label: recall 1, specificity 0. The second has no positives and is never predicted.
    expect(balancedAccuracy(scores, { kind: 'multi-label', flags })).toBe(0.75);
  });
});
