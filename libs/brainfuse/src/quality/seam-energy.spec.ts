import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { seamEnergy } from './seam-energy.js';

const row = (...values: number[]) => Float32Array.from(values);

describe('seam energy', () => {
  it('is the squared step where two constant sources meet at a cut', () => {
    const fusion = {
      weights: row(1, 1, 0, 0, 0, 0, 1, 1),
      aligned: [row(0.1, 0.1, 0.1, 0.1), row(0.6, 0.6, 0.6, 0.6)],
      shape: [1, 4, 1],
    };

    const { jump, expected, excess } = seamEnergy(row(0.1, 0.1, 0.6, 0.6), fusion);

    expect(jump).toBeCloseTo(0.25, 6);
    expect(expected).toBe(0);
    expect(excess).toBeCloseTo(0.25, 6);
  });

  it('falls with the square of the width of a linear border', () => {
    for (const steps of [1, 2, 5]) {
      const first = Float32Array.from({ length: steps + 1 }, (_, at) => 1 - at / steps);
      const second = first.map((weight) => 1 - weight);
      const fusion = {
        weights: Float32Array.from([...first, ...second]),
        aligned: [new Float32Array(steps + 1), new Float32Array(steps + 1).fill(1)],
        shape: [steps + 1, 1, 1],
      };

      expect(seamEnergy(second, fusion).excess).toBeCloseTo(1 / steps ** 2, 6);
    }
  });

  it('is nothing for a cut fusion of a scan with itself, whatever its own edges', () => {
    const rng = Rng.of('seam energy');
    const scan = Float32Array.from({ length: 5 * 4 * 3 * 2 }, () => rng.uniform());
    const first = Float32Array.from({ length: 60 }, () => (rng.chance(0.5) ? 1 : 0));
    const fusion = {
      weights: Float32Array.from([...first, ...first.map((weight) => 1 - weight)]),
      aligned: [scan, scan],
      shape: [5, 4, 3, 2],
    };

    const { jump, excess } = seamEnergy(scan, fusion);

    expect(jump).toBeGreaterThan(0.1);
    expect(excess).toBeCloseTo(0, 10);
  });

  it('counts what the sources have at the border as theirs', () => {
    const fusion = {
      weights: row(1, 0, 0, 1),
      aligned: [row(0, 0.4), row(0.2, 0.8)],
      shape: [2, 1, 1],
    };

    const { jump, expected } = seamEnergy(row(0, 0.8), fusion);

    expect(jump).toBeCloseTo(0.64, 6);
    expect(expected).toBeCloseTo((0.16 + 0.36) / 2, 6);
  });

  it('is negative where a border was blurred away', () => {
    const fusion = { weights: row(1, 0, 0, 1), aligned: [row(0, 1), row(0, 1)], shape: [1, 2, 1] };

    expect(seamEnergy(row(0.5, 0.5), fusion).excess).toBeCloseTo(-1, 6);
  });

  it('does not exist without a border', () => {
    const fusion = { weights: row(1, 1), aligned: [row(0, 1)], shape: [1, 2, 1] };

    expect(seamEnergy(row(0, 1), fusion)).toEqual({ jump: 0, expected: 0, excess: 0 });
  });
});
