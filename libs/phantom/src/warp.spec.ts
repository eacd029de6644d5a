import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { emptyPoints, type Points } from './paint.js';
import { Warp } from './warp.js';

const HALF = 140;

function moved(warp: Warp, place: (points: Points, i: number) => void, count: number): Points {
  const points = emptyPoints(count);
  for (let i = 0; i < count; i += 1) place(points, i);
  warp.apply(points);
  return points;
}

describe('Warp', () => {
  it('folds space nowhere: the Jacobian determinant is positive at thousands of points of many warps', () => {
    const step = 0.5;
    let smallest = Infinity;
    for (let patient = 0; patient < 20; patient += 1) {
      const warp = Warp.random(Rng.of('warp', patient), 0.045 * 200, HALF);
      const rng = Rng.of('points', patient);
      const centres = Array.from({ length: 500 }, () => [
        rng.uniform(-HALF, HALF),
        rng.uniform(-HALF, HALF),
        rng.uniform(-HALF, HALF),
      ]);
      // For every centre: the centre itself and one step along x, y, z.
      const at = moved(
        warp,
        (points, i) => {
          const [x, y, z] = centres[Math.floor(i / 4)] as [number, number, number];
          points.x[i] = x + (i % 4 === 1 ? step : 0);
          points.y[i] = y + (i % 4 === 2 ? step : 0);
          points.z[i] = z + (i % 4 === 3 ? step : 0);
        },
        4 * centres.length,
      );
      for (let i = 0; i < at.x.length; i += 4) {
        const column = (k: number) =>
          [at.x, at.y, at.z].map((values) => (values[i + k]! - values[i]!) / step) as [
            number,
            number,
            number,
          ];
        const [a, b, c] = [column(1), column(2), column(3)];
        const determinant =
          a[0] * (b[1] * c[2] - b[2] * c[1]) -
          b[0] * (a[1] * c[2] - a[2] * c[1]) +
          c[0] * (a[1] * b[2] - a[2] * b[1]);
        smallest = Math.min(smallest, determinant);
      }
    }
    expect(smallest).toBeGreaterThan(0.2);
  });

  it('moves points, by about the amplitude asked for and not more', () => {
    const warp = Warp.random(Rng.of('warp'), 9, HALF);
    const points = moved(
      warp,
      (p, i) => {
        p.x[i] = -HALF + ((2 * HALF) / 999) * i;
      },
      1000,
    );
    const moves = Array.from(points.x, (x, i) =>
      Math.hypot(x - (-HALF + ((2 * HALF) / 999) * i), points.y[i]!, points.z[i]!),
    );
    expect(Math.max(...moves)).toBeGreaterThan(2);
    expect(Math.max(...moves)).toBeLessThan(9 * Math.sqrt(3));
  });

  it('leaves every point where it is when it is the identity', () => {
    const points = moved(
      Warp.identity(),
      (p, i) => {
        p.x[i] = i;
        p.y[i] = 10 + i;
      },
      5,
    );
    expect([...points.x, ...points.y]).toEqual([0, 1, 2, 3, 4, 10, 11, 12, 13, 14]);
  });
});
