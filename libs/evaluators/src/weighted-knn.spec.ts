import { describe, expect, it } from 'vitest';
import { matrixOf } from './matrix.js';
import { argmax } from './predictions.js';
import { knnScores } from './protocol-scores.js';
import { weightedVotes } from './weighted-knn.js';

describe('weightedVotes', () => {
  // Cosine similarities of the query to the three rows: 0.8, 0.6 and -1.
  const train = matrixOf([
    [5, 0],
    [0, 2],
    [-0.8, -0.6],
  ]);
  const query = matrixOf([[4, 3]]);

  it('weighs each neighbour by exp(similarity / temperature)', () => {
    const near = Math.exp(0.8 / 0.5);
    const far = Math.exp(0.6 / 0.5);

    const { data } = weightedVotes(train, oneHot([0, 1, 2], 3), query, { k: 2, temperature: 0.5 });

    expect(data[0]).toBeCloseTo(near / (near + far), 12);
    expect(data[1]).toBeCloseTo(far / (near + far), 12);
    expect(data[2]).toBe(0);
  });

  it('lets two far neighbours outvote a near one when the temperature is high', () => {
    expect([...argmax(weightedVotes(train, oneHot([0, 1, 1], 2), query, { temperature: 10 }))]).toEqual([1]);
    expect([...argmax(weightedVotes(train, oneHot([0, 1, 1], 2), query, { temperature: 0.07 }))]).toEqual([
      0,
    ]);
  });

  it('uses all training rows when there are fewer than k', () => {
    const { data } = weightedVotes(train, oneHot([0, 1, 2], 3), query, { k: 20, temperature: 0.5 });

    expect(data[2]).toBeGreaterThan(0);
    expect(data[0]! + data[1]! + data[2]!).toBeCloseTo(1, 12);
  });

  it('counts the earlier of equally similar rows as nearer', () => {
    const twins = matrixOf([
      [1, 0],
      [2, 0],
    ]);

    expect([...argmax(weightedVotes(twins, oneHot([1, 0], 2), query, { k: 1 }))]).toEqual([1]);
  });

  it('does not overflow at a tiny temperature', () => {
    const { data } = weightedVotes(train, oneHot([0, 1, 2], 3), query, { temperature: 1e-4 });

    expect([...data]).toEqual([1, 0, 0]);
  });

  it('refuses widths that differ', () => {
    expect(() => weightedVotes(train, oneHot([0, 1, 2], 3), matrixOf([[1]]))).toThrow(/train \[3, 2\]/);
  });
});

describe('knnScores', () => {
  // Two classes in a narrow cone: all cosines exceed 0.999, and the second axis alone tells them apart.
  const train = matrixOf([
    [100, 1],
    [110, 1],
    [90, -1],
    [100, -1],
    [95, -1],
  ]);
  const labels = [0, 0, 1, 1, 1];
  const test = matrixOf([[100, 1.2]]);

  it('tells apart what differs little in angle', () => {
    expect([...argmax(weightedVotes(train, oneHot(labels, 2), test))]).toEqual([1]);
    expect([
      ...argmax(knnScores({ train, labels: { kind: 'multi-class', classes: labels }, test, classes: 2 })),
    ]).toEqual([0]);
  });
});

function oneHot(labels: readonly number[], classes: number) {
  return matrixOf(labels.map((label) => Array.from({ length: classes }, (_, at) => Number(at === label))));
}
