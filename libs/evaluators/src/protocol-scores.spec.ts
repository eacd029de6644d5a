import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { auc } from './auc.js';
import { drawMultiLabelled } from './draw-labelled.js';
import { linearProbe } from './linear-probe.js';
import { type Matrix, matrixOf } from './matrix.js';
import { knnScores, probeScores } from './protocol-scores.js';

/** Two labels that each show in a feature of their own, and one that is never there. */
function images(count: number, seed: number): { features: Matrix; flags: Matrix } {
  const rng = Rng.of('protocol-scores', seed);
  const flags = Array.from({ length: count }, () => [Number(rng.chance(0.4)), Number(rng.chance(0.2)), 0]);
  const features = flags.map(([first, second]) => [
    first! + rng.normal(0, 0.5),
    second! + rng.normal(0, 0.5),
    rng.normal(),
  ]);
  return { features: matrixOf(features), flags: matrixOf(flags) };
}

const train = images(150, 1);
const test = images(80, 2);
const input = {
  train: train.features,
  labels: { kind: 'multi-label' as const, flags: train.flags },
  test: test.features,
  classes: 3,
};

describe.each([
  ['linear probe', probeScores],
  ['kNN', knnScores],
])('%s of a multi-label task', (_, scoresBy) => {
  it('tells each label by its own feature, and predicts what is never there as never there', () => {
    const scores = scoresBy(input);

    expect(auc(scores, { kind: 'multi-label', flags: test.flags })).toBeGreaterThan(0.8);
    expect([0, 3, 6].map((at) => scores.data[at + 2])).toEqual([0, 0, 0]);
  });
});

describe('probeScores', () => {
  it('is one binary regression per label', () => {
    const first = Int32Array.from({ length: 150 }, (_, row) => train.flags.data[row * 3]!);
    const alone = linearProbe(train.features, first, test.features, { classes: 2, choice: 'likelihood' });

    const scores = probeScores(input);

    expect(scores.data[3]).toBe(alone.scores.data[3]);
  });
});

describe('drawMultiLabelled', () => {
  it('gives every label its positives, and images without any', () => {
    const flags = matrixOf(rowsOf(train.flags));
    const drawn = drawMultiLabelled(flags, ['a', 'b'], () => 10, Rng.of('draw'));
    const count = (of: (image: number) => boolean) => drawn.filter(of).length;
    const has = (image: number, label: number) => flags.data[image * 2 + label] === 1;

    expect(count((image) => has(image, 0))).toBeGreaterThanOrEqual(10);
    expect(count((image) => has(image, 1))).toBeGreaterThanOrEqual(10);
    expect(count((image) => !has(image, 0) && !has(image, 1))).toBe(10);
    expect(drawn).toEqual([...drawn].sort((x, y) => x - y));
    expect(new Set(drawn).size).toBe(drawn.length);
  });

  it('names the label that has too few', () => {
    expect(() => drawMultiLabelled(train.flags, ['a', 'b', 'c'], () => 2, Rng.of('draw'))).toThrow(/c has 0/);
  });
});

function rowsOf({ rows, data }: Matrix): number[][] {
  return Array.from({ length: rows }, (_, row) => [data[row * 3]!, data[row * 3 + 1]!]);
}
