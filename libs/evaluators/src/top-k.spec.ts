import { expect, it } from 'vitest';
import { matrixOf } from './matrix.js';
import { argmax } from './predictions.js';
import { topK } from './top-k.js';

const scores = matrixOf([
  [0.4, 0.4, 0.2],
  [0.1, 0.2, 0.7],
]);

it('ranks the lower index first among equal scores, so that top-1 agrees with argmax', () => {
  expect([...argmax(scores)]).toEqual([0, 2]);
  expect(topK(scores, [0, 2], 1)).toBe(1);
  expect(topK(scores, [1, 2], 1)).toBe(0.5);
  expect(topK(scores, [1, 2], 2)).toBe(1);
});

it('is 1 when k reaches the number of classes', () => {
  expect(topK(scores, [2, 0], 5)).toBe(1);
});
