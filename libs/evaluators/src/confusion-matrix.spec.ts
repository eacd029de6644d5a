import { expect, it } from 'vitest';
import { addConfusion, confusionMatrix } from './confusion-matrix.js';

it('counts true classes in rows and predicted ones in columns', () => {
  expect(confusionMatrix([1, 1, 0], [0, 1, 0], 3)).toEqual([
    [1, 1, 0],
    [0, 1, 0],
    [0, 0, 0],
  ]);
});

it('adds matrices element by element', () => {
  expect(
    addConfusion(
      [
        [1, 2],
        [3, 4],
      ],
      [
        [10, 0],
        [0, 10],
      ],
    ),
  ).toEqual([
    [11, 2],
    [3, 14],
  ]);
});
