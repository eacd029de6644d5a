import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { accuracy } from './accuracy.js';
import { linearProbe } from './linear-probe.js';
import { type Matrix, matrixOf } from './matrix.js';

function clusters(rows: number, width: number, classes: number, spread: number, key: string) {
  const rng = Rng.of(key);
  const centre = (label: number, column: number) => Rng.of('centre', label, column).normal();
  const labels = Array.from({ length: rows }, (_, row) => row % classes);
  const features: Matrix = matrixOf(
    labels.map((label) =>
      Float64Array.from({ length: width }, (_, column) => centre(label, column) + rng.normal(0, spread)),
    ),
  );
  return { labels, features };
}

describe('linearProbe', () => {
  it('separates clusters that it saw ten images of', () => {
    const train = clusters(50, 32, 5, 1, 'train');
    const test = clusters(200, 32, 5, 1, 'test');

    const { scores } = linearProbe(train.features, train.labels, test.features, { classes: 5 });

    expect(accuracy(scores, { kind: 'multi-class', classes: test.labels })).toBeGreaterThan(0.95);
  });

  it('does not care about the scale and offset of a feature', () => {
    const train = clusters(40, 8, 4, 1, 'train');
    const test = clusters(20, 8, 4, 1, 'test');
    const distort = ({ rows, columns, data }: Matrix): Matrix => ({
      rows,
      columns,
      data: data.map((value, at) => value * 10 ** ((at % columns) - 4) + 100 * (at % columns)),
    });

    const plain = linearProbe(train.features, train.labels, test.features, { classes: 4 }).scores.data;
    const distorted = linearProbe(distort(train.features), train.labels, distort(test.features), {
      classes: 4,
    }).scores.data;

    for (const [at, score] of plain.entries()) expect(distorted[at]).toBeCloseTo(score, 6);
  });

  it('chooses the penalty from the training labels alone', () => {
    const train = clusters(40, 16, 4, 1.5, 'train');
    const test = clusters(20, 16, 4, 1.5, 'test');
    const shifted = { ...test.features, data: test.features.data.map((value) => 50 - 3 * value) };

    const { c } = linearProbe(train.features, train.labels, test.features, { classes: 4 });

    expect(linearProbe(train.features, train.labels, shifted, { classes: 4 }).c).toBe(c);
  });

  it('takes the likelier of equally accurate penalties', () => {
    const train = clusters(40, 16, 4, 0.1, 'train');

    const { c } = linearProbe(train.features, train.labels, train.features, {
      classes: 4,
      strengths: [1e-3, 10],
    });

    expect(c).toBe(10);
  });

  it('works with a single image per class', () => {
    const train = clusters(4, 8, 4, 0.2, 'train');
    const test = clusters(40, 8, 4, 0.2, 'test');

    const { scores, c } = linearProbe(train.features, train.labels, test.features, { classes: 4 });

    expect(c).toBe(1);
    expect(accuracy(scores, { kind: 'multi-class', classes: test.labels })).toBeGreaterThan(0.9);
  });

  it('gives classes that training lacks a low score instead of failing', () => {
    const train = clusters(30, 8, 3, 0.5, 'train');

    const { scores } = linearProbe(train.features, train.labels, train.features, { classes: 5 });

    expect(scores.columns).toBe(5);
    for (let row = 0; row < scores.rows; row += 1) {
      expect(scores.data[row * 5 + 3]! + scores.data[row * 5 + 4]!).toBeLessThan(0.2);
    }
  });

  it('refuses an empty training set', () => {
    const empty = { rows: 0, columns: 2, data: new Float64Array(0) };
    expect(() => linearProbe(empty, [], empty, { classes: 2 })).toThrow(/linear probe: train \[0, 2\]/);
  });
});
