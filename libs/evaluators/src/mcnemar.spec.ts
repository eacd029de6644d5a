import { expect, it } from 'vitest';
import { mcnemar } from './mcnemar.js';

it('counts only images that one model alone predicts rightly', () => {
  expect(mcnemar([1, 1, 0, 0], [1, 0, 1, 0])).toEqual({ onlyFirst: 1, onlySecond: 1, p: 1 });
});

it('refuses predictions of different images', () => {
  expect(() => mcnemar([1], [1, 0])).toThrow(/found 1 and 2/);
});
