import { expect, it } from 'vitest';
import { accuracy } from './accuracy.js';
import { matrixOf } from './matrix.js';

it('does not call a binary score of exactly one half positive', () => {
  const scores = matrixOf([
    [0.5, 0.5],
    [0.49, 0.51],
  ]);

  expect(accuracy(scores, { kind: 'binary', classes: [0, 1] })).toBe(1);
  expect(accuracy(scores, { kind: 'binary', classes: [1, 1] })).toBe(0.5);
});

it('averages multi-label accuracy over every label of every image', () => {
  const scores = matrixOf([
    [0.9, 0.2, 0.5],
    [0.1, 0.8, 0.6],
  ]);
  const flags = matrixOf([
    [1, 0, 1],
    [0, 1, 1],
  ]);

  expect(accuracy(scores, { kind: 'multi-label', flags })).toBeCloseTo(5 / 6, 12);
});
