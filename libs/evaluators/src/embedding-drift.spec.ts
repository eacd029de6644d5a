import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { embeddingDrift, momentsOf, SlidingMoments } from './embedding-drift.js';

const WIDTH = 4;
/** Normal values with this mean and standard deviation. */
function drawn(seed: number, rows: number, mean = 0, std = 1) {
  const random = Rng.of(seed, 'drift');
  const data = Float32Array.from({ length: rows * WIDTH }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
    return mean + std * radius * Math.cos(2 * Math.PI * random.uniform());
  });
  return { rows, columns: WIDTH, data };
}
const slid = (window: number, ...parts: ReturnType<typeof drawn>[]) => {
  const moments = new SlidingMoments(window);
  for (const { rows, data } of parts)
    for (let row = 0; row < rows; row += 1) moments.add(data.subarray(row * WIDTH, (row + 1) * WIDTH));
  return moments.moments!;
};

describe('drift', () => {
  const reference = momentsOf(drawn(0, 4000));

  it('is that of known Gaussians: the square of the shift and of the change of the spread', () => {
    const one = { ...reference, mean: [0, 0], variance: [1, 4] };
    const other = { ...reference, mean: [1, 0], variance: [1, 9] };
    // (1² + (3 - 2)²) / (1 + 4)
    expect(embeddingDrift(one, other)).toBeCloseTo(0.4, 12);
    expect(embeddingDrift(one, one)).toBe(0);
  });

  it('is near 1.5 / images by chance alone, and far above when images change', () => {
    expect(embeddingDrift(reference, momentsOf(drawn(1, 200)))).toBeLessThan(5 * (1.5 / 200));
    expect(embeddingDrift(reference, momentsOf(drawn(2, 200, 1)))).toBeGreaterThan(0.7);
    expect(embeddingDrift(reference, momentsOf(drawn(3, 200, 0, 0.2)))).toBeGreaterThan(0.5);
  });

  it('is unknown between other widths and from a point', () => {
    expect(embeddingDrift(reference, { ...reference, mean: [0], variance: [1] })).toBeUndefined();
    expect(embeddingDrift({ ...reference, variance: [0, 0, 0, 0] }, reference)).toBeUndefined();
  });
});

describe('sliding moments', () => {
  it('are the plain ones while the window is not full', () => {
    const few = drawn(4, 50);
    const plain = momentsOf(few);
    const sliding = slid(100, few);
    for (const of of ['mean', 'variance'] as const)
      for (const [at, value] of plain[of].entries()) expect(sliding[of][at]).toBeCloseTo(value, 10);
  });

  it('forget what came long ago', () => {
    const { mean, images } = slid(50, drawn(5, 1000, 5), drawn(6, 500, -5));
    expect(images).toBe(50);
    for (const value of mean) expect(value).toBeCloseTo(-5, 0);
    expect(new SlidingMoments(10).moments).toBeUndefined();
  });
});
