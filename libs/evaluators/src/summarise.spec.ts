import { expect, it } from 'vitest';
import { summarise } from './summarise.js';

it('divides by n - 1', () => {
  expect(summarise([1, 2, 3, 4])).toEqual({ mean: 2.5, std: Math.sqrt(5 / 3), values: [1, 2, 3, 4] });
});

it('has no spread over one seed', () => {
  expect(summarise([0.7])).toEqual({ mean: 0.7, std: 0, values: [0.7] });
});

it('refuses an empty list', () => {
  expect(() => summarise([])).toThrow(/at least one/);
});
