import { describe, expect, it } from 'vitest';
import { matrixOf } from './matrix.js';
import { argmax } from './predictions.js';
import { standardisedKnn, weightedKnn } from './weighted-knn.js';

describe('weightedKnn', () => {
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

    const { data } = weightedKnn(train, [0, 1, 2], query, { classes: 3, k: 2, temperature: 0.5 });

    expect(data[0]).toBeCloseTo(near / (near + far), 12);
    expect(data[1]).toBeCloseTo(far / (near + far), 12);
    expect(data[2]).toBe(0);
  });

  it('lets two far neighbours outvote a near one when the temperature is high', () => {
    expect([...argmax(weightedKnn(train, [0, 1, 1], query, { classes: 2, temperature: 10 }))]).toEqual([1]);
    expect([...argmax(weightedKnn(train, [0, 1, 1], query, { classes: 2, temperature: 0.07 }))]).toEqual([0]);
  });

  it('uses all training rows when there are fewer than k', () => {
    const { data } = weightedKnn(train, [0, 1, 2], query, { classes: 3, k: 20, temperature: 0.5 });

    expect(data[2]).toBeGreaterThan(0);
    expect(data[0]! + data[1]! + data[2]!).toBeCloseTo(1, 12);
  });

  it('counts the earlier of equally similar rows as nearer', () => {
    const twins = matrixOf([
      [1, 0],
      [2, 0],
    ]);

    expect([...argmax(weightedKnn(twins, [1, 0], query, { classes: 2, k: 1 }))]).toEqual([1]);
  });

  it('does not overflow at a tiny temperature', () => {
    const { data } = weightedKnn(train, [0, 1, 2], query, { classes: 3, temperature: 1e-4 });

    expect([...data]).toEqual([1, 0, 0]);
  });

  it('refuses widths that differ', () => {
    expect(() => weightedKnn(train, [0, 1, 2], matrixOf([[1]]), { classes: 3 })).toThrow(/train \[3, 2\]/);
  });
});

describe('standardisedKnn', () => {
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
    expect([...argmax(weightedKnn(train, labels, test, { classes: 2 }))]).toEqual([1]);
    expect([...argmax(standardisedKnn(train, labels, test, { classes: 2 }))]).toEqual([0]);
  });
});
