import { describe, expect, it } from 'vitest';
import { boxBlur } from './box-blur.js';

describe('the box blur', () => {
  it('is the mean over a box, cut at the borders', () => {
    const line = Float64Array.from([9, 0, 0, 3, 0]);

    boxBlur(line, [5], 1);

    expect([...line]).toEqual([4.5, 3, 1, 1, 1.5]);
  });

  it('is of every axis and leaves what is the same everywhere', () => {
    const plane = new Float64Array(20);
    plane[2 * 5 + 2] = 9;
    const flat = new Float64Array(24).fill(0.7);

    boxBlur(plane, [4, 5], 1);
    boxBlur(flat, [2, 3, 4], 2);

    // Row 3 is the last one: its box has two rows.
    expect(Array.from(plane, (value) => Math.round(value * 1e9) / 1e9)).toEqual([
      0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1.5, 1.5, 1.5, 0,
    ]);
    expect(Math.max(...flat)).toBeCloseTo(0.7, 12);
  });
});
