import { sha256 } from '@medformer/schema';
import { expect, it } from 'vitest';
import { matrixOf } from './matrix.js';
import { scoreRow } from './score-row.js';

it('summarises every metric over the repetitions and sums their confusion', () => {
  const right = matrixOf([
    [0.8, 0.1, 0.1],
    [0.1, 0.8, 0.1],
    [0.1, 0.1, 0.8],
  ]);
  const wrong = matrixOf([
    [0.8, 0.1, 0.1],
    [0.6, 0.3, 0.1],
    [0.6, 0.3, 0.1],
  ]);

  const row = scoreRow(
    { label: 'x', protocol: 'knn', checkpoints: [sha256('a')] },
    [right, wrong],
    Int32Array.of(0, 1, 2),
    { task: 'region', kind: 'multi-class', classes: ['a', 'b', 'c'] },
  );

  expect(row.accuracy.values).toEqual([1, 1 / 3]);
  expect(row.top3).toEqual({ mean: 1, std: 0, values: [1, 1] });
  expect(row.confusion).toEqual([
    [2, 0, 0],
    [1, 1, 0],
    [1, 0, 1],
  ]);
});
