import { BootstrapSpec } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { subjectUnits } from './bootstrap.js';
import { compareRows } from './compare-rows.js';
import { matrixOf } from './matrix.js';

const spec = BootstrapSpec.parse({ resamples: 200 });
const classes = Array.from({ length: 60 }, (_, image) => image % 2);
const labels = { kind: 'binary' as const, classes };
const scoresThatErr = (every: number) =>
  matrixOf(classes.map((label, image) => (image % every === 0 ? [label, 1 - label] : [1 - label, label])));
const images = classes.map((_, image) => String(image));

describe('compareRows', () => {
  it('tests the means over seeds, and the runs of each seed where images are independent', () => {
    const good = [0, 1].map((seed) => ({ seed, scores: scoresThatErr(30) }));
    const bad = [0, 1].map((seed) => ({ seed, scores: scoresThatErr(3) }));

    const tests = compareRows(good, bad, labels, subjectUnits(images), spec);

    expect(tests.map(({ metric, test, seed }) => [metric, test, seed])).toEqual([
      ['auc', 'paired-bootstrap', undefined],
      ['accuracy', 'paired-bootstrap', undefined],
      ['auc', 'delong', 0],
      ['accuracy', 'mcnemar-exact', 0],
      ['auc', 'delong', 1],
      ['accuracy', 'mcnemar-exact', 1],
    ]);
    for (const { difference, p } of tests) {
      expect(difference).toBeGreaterThan(0.2);
      expect(p).toBeLessThan(0.02);
    }
  });

  it('leaves to the bootstrap what has several images per subject', () => {
    const one = [{ seed: 0, scores: scoresThatErr(5) }];
    const subjects = subjectUnits(images.map((image) => `s${Math.floor(Number(image) / 2)}`));

    const tests = compareRows(one, one, labels, subjects, spec);

    expect(tests.map(({ test }) => test)).toEqual(['paired-bootstrap', 'paired-bootstrap']);
    expect(tests.map(({ p }) => p)).toEqual([1, 1]);
  });
});
