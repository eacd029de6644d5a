import { effectiveRank as exactRank, embeddingStd as exactStd } from '@medformer/evaluators';
import { Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { batchHealth, effectiveRank, embeddingStd, RANKED_ROWS } from './embedding-health.js';

beforeAll(async () => {
  await useBackend();
});

/** Rows around a common point, spread over `directions` directions of falling weight. */
function embeddings(rows: number, width: number, directions: number, offset: number): Float32Array {
  const rng = Rng.of('embeddings', rows, width, directions);
  const basis = Array.from({ length: directions }, () =>
    Float32Array.from({ length: width }, () => rng.normal()),
  );
  const data = new Float32Array(rows * width).fill(offset);
  for (let row = 0; row < rows; row += 1) {
    basis.forEach((direction, at) => {
      const weight = rng.normal() / (at + 1);
      direction.forEach((value, column) => {
        data[row * width + column]! += weight * value;
      });
    });
  }
  return data;
}

const rankOf = (data: Float32Array, rows: number) =>
  tf.tidy(() => effectiveRank(tf.tensor2d(data, [rows, data.length / rows])).dataSync()[0]!);

describe('the effective rank in the step', () => {
  it.each([
    ['many rows', 60, 24, 24, 0],
    ['few rows', 12, 40, 40, 0],
    ['few directions', 64, 32, 3, 0],
    ['a narrow cone', 64, 32, 10, 5],
  ])(
    'is RankMe as an evaluation computes it in double precision: %s',
    (_, rows, width, directions, offset) => {
      const data = embeddings(rows, width, directions, offset);
      const exact = exactRank({ rows, columns: width, data });

      expect(Math.abs(rankOf(data, rows) / exact - 1)).toBeLessThan(0.02);
    },
  );

  it('is near 1 when all embeddings are the same, at any scale, and 1 direction at 0', () => {
    for (const scale of [1e-20, 1, 1e20]) {
      expect(rankOf(new Float32Array(40 * 16).fill(scale), 40)).toBeLessThan(1.1);
    }
    expect(rankOf(new Float32Array(40 * 16), 40)).toBe(1);
  });

  it('is of the first rows of many, so that a step never pays for more', () => {
    const data = embeddings(RANKED_ROWS + 100, 8, 8, 0);
    const first = data.slice(0, RANKED_ROWS * 8);

    expect(rankOf(data, RANKED_ROWS + 100)).toBe(rankOf(first, RANKED_ROWS));
  });

  it('lets a step with values that are no numbers end', () => {
    const data = embeddings(10, 4, 4, 0);
    data[3] = Number.NaN;
    data[9] = Number.POSITIVE_INFINITY;

    expect(() => rankOf(data, 10)).not.toThrow();
  });
});

it('gives the spread that an evaluation computes', () => {
  const data = embeddings(30, 12, 12, 1);
  const std = tf.tidy(
    () => embeddingStd(batchHealth(tf.tensor2d(data, [30, 12]), 1).variance).dataSync()[0]!,
  );

  expect(std).toBeCloseTo(exactStd({ rows: 30, columns: 12, data }), 5);
});
