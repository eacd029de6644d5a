import { BootstrapSpec, sha256 } from '@medformer/schema';
import { expect, it } from 'vitest';
import { subjectUnits } from './bootstrap.js';
import { matrixOf } from './matrix.js';
import { rowIntervals, scoreRow } from './score-row.js';

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
    { kind: 'multi-class', classes: [0, 1, 2] },
    { task: 'region', kind: 'multi-class', classes: ['a', 'b', 'c'] },
  );

  expect(row.accuracy.values).toEqual([1, 1 / 3]);
  expect(row.top3).toEqual({ mean: 1, std: 0, values: [1, 1] });
  expect(row.confusion).toEqual([
    [2, 0, 0],
    [1, 1, 0],
    [1, 0, 1],
  ]);
  expect(row.perClass).toEqual([
    { images: 1, recall: 1, precision: (1 + 1 / 3) / 2, f1: 0.75 },
    { images: 1, recall: 0.5, precision: 1, f1: 0.5 },
    { images: 1, recall: 0.5, precision: 1, f1: 0.5 },
  ]);
});

it('has neither confusion nor top-k of a multi-label task, but all else', () => {
  const flags = matrixOf([
    [1, 0],
    [0, 1],
    [1, 1],
  ]);
  const row = scoreRow(
    { label: 'x', protocol: 'head', checkpoints: [sha256('a')] },
    [flags],
    { kind: 'multi-label', flags },
    { task: 'findings', kind: 'multi-label', classes: ['a', 'b'] },
  );

  expect(row.confusion).toEqual([]);
  expect(row.top1).toBeUndefined();
  expect([row.auc.mean, row.accuracy.mean, row.averagePrecision?.mean, row.f1?.mean]).toEqual([1, 1, 1, 1]);
  expect(row.perClass.map(({ images }) => images)).toEqual([2, 2]);
});

it('gives intervals around the means over seeds', () => {
  const classes = Array.from({ length: 40 }, (_, image) => image % 2);
  const scores = matrixOf(
    classes.map((label, image) => (image % 5 === 0 ? [label, 1 - label] : [1 - label, label])),
  );
  const units = subjectUnits(classes.map((_, image) => String(image)));

  const intervals = rowIntervals(
    [scores],
    { kind: 'binary', classes },
    units,
    BootstrapSpec.parse({ resamples: 200 }),
  );

  expect(intervals.accuracy!.low).toBeLessThan(0.8);
  expect(intervals.accuracy!.high).toBeGreaterThan(0.8);
  expect(Object.keys(intervals)).toHaveLength(6);
});
