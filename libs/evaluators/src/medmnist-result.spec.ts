import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { accuracy } from './accuracy.js';
import { auc } from './auc.js';
import { matrixOf } from './matrix.js';
import { medmnistCsv, medmnistFileName } from './medmnist-result.js';
import type { TaskLabels } from './task-labels.js';

interface Golden {
  files: ({ name: string; flag: string; size: number; scores: number[][]; csv: string } & {
    auc: number;
    accuracy: number;
  } & (
      | { kind: 'multi-label'; labels: number[][] }
      | { kind: 'multi-class' | 'binary' | 'ordinal'; labels: number[] }
    ))[];
  rounding: { value: number; text: string }[];
}

// Written by tools/golden/medmnist.py.
const golden: Golden = JSON.parse(readFileSync(new URL('../golden/medmnist.json', import.meta.url), 'utf8'));

describe('a MedMNIST result file', () => {
  it.each(golden.files)('is, name and bytes, what medmnist writes: $name', (expected) => {
    const { flag, size, name, csv, scores: rows } = expected;
    const scores = matrixOf(rows);
    const labels: TaskLabels =
      expected.kind === 'multi-label'
        ? { kind: 'multi-label', flags: matrixOf(expected.labels) }
        : { kind: expected.kind, classes: expected.labels };
    const metrics = { auc: auc(scores, labels), accuracy: accuracy(scores, labels) };

    expect(metrics.auc).toBeCloseTo(expected.auc, 12);
    expect(metrics.accuracy).toBeCloseTo(expected.accuracy, 12);
    expect(medmnistFileName({ flag, size, split: 'test', run: 'seed-0', ...metrics })).toBe(name);
    expect(medmnistCsv(scores, [...rows.keys()])).toBe(csv);
  });

  it.each(golden.rounding)('rounds $value as Python does', ({ value, text }) => {
    const name = medmnistFileName({ flag: 'x', size: 28, split: 'val', auc: value, accuracy: 0, run: 'r' });
    expect(name).toBe(`x_val_[AUC]${text}_[ACC]0.000@r.csv`);
  });

  it('puts the images into the order of the archive, and refuses a gap', () => {
    const scores = matrixOf([[0.25], [0.75]]);
    expect(medmnistCsv(scores, [1, 0])).toBe('0,0.75\n1,0.25\n');
    expect(() => medmnistCsv(scores, [0, 2])).toThrow(/image 1 has none/);
  });

  it('refuses a run at which medmnist would cut the name', () => {
    const result = { flag: 'x', size: 28, split: 'test' as const, auc: 1, accuracy: 1, run: 'a.b' };
    expect(() => medmnistFileName(result)).toThrow(/found a\.b/);
  });
});
