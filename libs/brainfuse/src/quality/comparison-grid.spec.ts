import { describe, expect, it } from 'vitest';
import { patientImage } from '../testing/sources.js';
import { ComparisonGrid } from './comparison-grid.js';

const image = (shape: number[], levels: number[]) => ({
  ...patientImage(0, { shape }),
  pixels: Uint8Array.from(levels),
});

describe('the grid that images are compared on', () => {
  it('is the commonest of theirs, onto which the others are brought', () => {
    const small = image([1, 2, 1], [51, 102]);
    const large = image([2, 4, 1], [51, 51, 102, 102, 51, 51, 102, 102]);
    const grid = ComparisonGrid.of([large, small, small]);

    expect([...grid.valuesOf(small)]).toEqual([Math.fround(0.2), Math.fround(0.4)]);
    const brought = grid.valuesOf(large);
    expect(brought[0]).toBeCloseTo(0.2, 6);
    expect(brought[1]).toBeCloseTo(0.4, 6);
  });

  it('has the means of blocks where images are large, those at the end of what is left, channels apart', () => {
    const colour = image([2, 3, 2], [0, 255, 0, 255, 51, 0, 0, 255, 0, 255, 51, 0]);
    const grid = ComparisonGrid.of([colour], 2);

    const values = grid.valuesOf(colour);
    expect([...values].map((value) => Number(value.toFixed(6)))).toEqual([0, 1, 0.2, 0]);
  });
});
