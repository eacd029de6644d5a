import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { NoiseField } from './noise-field.js';
import { emptyPoints, paint } from './paint.js';
import { boundingBox, rod, rotation, type Shape, solid } from './shape.js';
import { Tissue } from './tissue.js';

const noise = new NoiseField(Rng.of('noise'));
const isBone = Array.from({ length: 19 }, (_, tissue) => (tissue === Tissue.Bone ? 1 : 0));

function coverage(shape: Shape, places: [number, number, number][], edgeMm = 1e-3): number[] {
  const points = emptyPoints(places.length);
  for (const [i, [x, y, z]] of places.entries()) {
    points.x[i] = x;
    points.y[i] = y;
    points.z[i] = z;
  }
  const out = new Float32Array(places.length);
  paint([shape], noise, isBone, points, edgeMm, out);
  return [...out];
}

describe('paint', () => {
  it('fills an ellipsoid inside its semi-axes and nothing outside', () => {
    const egg = solid(Tissue.Bone, [10, 0, 0], [4, 2, 1]);
    const places: [number, number, number][] = [
      [13.9, 0, 0],
      [14.1, 0, 0],
      [10, 1.9, 0],
      [10, 2.1, 0],
      [10, 0, 0.9],
      [10, 0, 1.1],
    ];
    expect(coverage(egg, places)).toEqual([1, 0, 1, 0, 1, 0]);
  });

  it('turns a solid with its rotation', () => {
    const turned = solid(Tissue.Bone, [0, 0, 0], [4, 1, 1], { rotation: rotation(0, 0, 90) });
    expect(
      coverage(turned, [
        [3, 0, 0],
        [0, 3, 0],
      ]),
    ).toEqual([0, 1]);
  });

  it('mixes half and half on the surface, over a width of edgeMm', () => {
    const ball = solid(Tissue.Bone, [0, 0, 0], [50, 50, 50]);
    const [inner, surface, outer] = coverage(
      ball,
      [
        [49, 0, 0],
        [50, 0, 0],
        [51, 0, 0],
      ],
      4,
    );
    expect(surface).toBeCloseTo(0.5, 5);
    expect(inner).toBeCloseTo(0.75, 1);
    expect(outer).toBeCloseTo(0.25, 1);
  });

  it('leaves a hollow solid empty and an endless cylinder endless', () => {
    const tube = solid(Tissue.Bone, [0, 0, 0], [10, 10, Infinity], { hollow: 0.8 });
    expect(
      coverage(tube, [
        [0, 0, 0],
        [9, 0, 0],
        [9, 0, 1e4],
      ]),
    ).toEqual([0, 1, 1]);
  });

  it('keeps a rounded square within its box even far outside, where its formula changes sign', () => {
    const square = solid(Tissue.Bone, [0, 0, 0], [10, 10, Infinity], { square: 0.9 });
    expect(
      coverage(square, [
        [7.5, 7.5, 0],
        [9.5, 9.5, 0],
        [60, 60, 0],
      ]),
    ).toEqual([1, 0, 0]);
  });

  it('paints stripes only where their duty says', () => {
    const ribs = solid(Tissue.Bone, [0, 0, 0], [10, 10, Infinity], {
      stripes: { period: 10, duty: 0.4, slope: 0, phase: 0 },
    });
    expect(
      coverage(ribs, [
        [0, 0, 5],
        [0, 0, 0.5],
        [0, 0, 15],
      ]),
    ).toEqual([1, 0, 1]);
  });

  it('tapers a rod between its two radii', () => {
    const bone = rod(Tissue.Bone, [0, 0, 0], [0, 0, 100], 10, 2);
    expect(
      coverage(bone, [
        [9, 0, 0],
        [9, 0, 100],
        [5, 0, 50],
      ]),
    ).toEqual([1, 0, 1]);
  });

  it('never covers a point outside the bounding box', () => {
    const rng = Rng.of('boxes');
    for (let n = 0; n < 50; n += 1) {
      const radii = [rng.uniform(2, 20), rng.uniform(2, 20), rng.uniform(2, 20)] as const;
      const shape = solid(Tissue.Bone, [0, 0, 0], radii, {
        rotation: rotation(rng.uniform(0, 90), rng.uniform(0, 90), rng.uniform(0, 90)),
        square: rng.uniform(0, 0.9),
        fold: { amplitude: 0.3, size: 5 },
      });
      const { low, high } = boundingBox(shape, 1);
      const places = Array.from({ length: 400 }, (): [number, number, number] => [
        rng.uniform(-60, 60),
        rng.uniform(-60, 60),
        rng.uniform(-60, 60),
      ]);
      const covered = coverage(shape, places, 1);
      for (const [i, place] of places.entries()) {
        if (place.some((value, axis) => value < low[axis]! || value > high[axis]!))
          expect(covered[i]).toBe(0);
      }
    }
  });
});
