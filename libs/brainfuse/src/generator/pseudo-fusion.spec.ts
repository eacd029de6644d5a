import { GeneratorSpec, MaskSpec, Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { drawPseudoFusion, pseudoFusion } from './pseudo-fusion.js';

const { differences, seam } = GeneratorSpec.parse({});
const MASKS = (['smooth-fields', 'voronoi', 'blocks', 'tissue'] as const).map((strategy) =>
  MaskSpec.parse({ strategy }),
);

/** A bright ball off the middle, darker to its rim. */
function ball(shape: readonly number[]): Float32Array {
  const [channels, spatial] = [shape.at(-1)!, shape.slice(0, -1)];
  const voxels = spatial.reduce((product, edge) => product * edge, 1);
  return Float32Array.from({ length: voxels * channels }, (_, at) => {
    let rest = Math.floor(at / channels);
    let square = 0;
    for (const edge of spatial.toReversed()) {
      square += ((rest % edge) / edge - 0.45) ** 2;
      rest = Math.floor(rest / edge);
    }
    return Math.max(0, 0.9 - 2 * Math.sqrt(square));
  });
}

describe('a pseudo-fusion', () => {
  it.each(MASKS)('of a scan that all sources have alike is the scan: $strategy', (mask) => {
    const alike = { shift: 0, turnDegrees: 0, zoom: 0, grey: 0 };
    for (const shape of [
      [12, 15, 1],
      [9, 8, 10, 2],
    ]) {
      const scan = ball(shape);
      const draw = drawPseudoFusion(mask, 3, shape.slice(0, -1), alike, Rng.of('pseudo', 1));
      const { values, target } = pseudoFusion(scan, shape, draw, seam);

      expect(largestDifference(values, scan)).toBeLessThan(1e-6);
      expect(largestDifference(target, scan)).toBeLessThan(1e-6);
    }
  });

  it.each(MASKS)('differs from its target in the band, and only there: $strategy', (mask) => {
    const shape = [32, 30, 1];
    const draw = drawPseudoFusion(mask, 2, [32, 30], differences, Rng.of('pseudo', 2));
    const { values, target, seam: seams } = pseudoFusion(ball(shape), shape, draw, seam);
    const moved = values.map((value, at) => Math.abs(value - target[at]!));

    expect(Math.max(...moved.filter((_, at) => seams.band[at] === 0), 0)).toBe(0);
    expect(Math.max(...moved.filter((_, at) => seams.band[at] === 1))).toBeGreaterThan(0.02);
    expect(Math.min(...target, ...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...target, ...values)).toBeLessThanOrEqual(1);
  });

  it('goes on smoothly across a cut in its target', () => {
    const shape = [40, 40, 1];
    // Smooth everywhere: whatever jumps is a seam.
    const scan = Float32Array.from({ length: 1600 }, (_, at) => 0.5 + 0.4 * Math.sin(at / 400));
    const strong = { ...differences, grey: 0.2, shift: 0.1 };
    const draw = drawPseudoFusion(
      MaskSpec.parse({ strategy: 'blocks', cells: 2 }),
      2,
      [40, 40],
      strong,
      Rng.of('pseudo', 4),
    );
    const { values, target } = pseudoFusion(scan, shape, draw, { core: 1, reach: 6 });

    expect(largestStep(target, 40)).toBeLessThan(0.5 * largestStep(values, 40));
  });

  it('is the same for the same draw', () => {
    const shape = [10, 10, 1];
    const once = () => {
      const draw = drawPseudoFusion(MASKS[0]!, 4, [10, 10], differences, Rng.of('pseudo', 5));
      return pseudoFusion(ball(shape), shape, draw, seam);
    };

    expect(once()).toEqual(once());
  });
});

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, at) => Math.max(most, Math.abs(value - b[at]!)), 0);
}

/** Between neighbours in rows and columns. */
function largestStep(values: Float32Array, width: number): number {
  return values.reduce((most, value, at) => {
    const right = (at + 1) % width === 0 ? 0 : Math.abs(values[at + 1]! - value);
    const below = at + width >= values.length ? 0 : Math.abs(values[at + width]! - value);
    return Math.max(most, right, below);
  }, 0);
}
