import { describe, expect, it } from 'vitest';
import { nearestShape } from './nearest-shape.js';

describe('the nearest trained shape', () => {
  const trained = [
    [28, 28],
    [224, 224],
    [28, 28, 28],
  ];

  it('is the one whose edges are nearest by ratio, of as many axes', () => {
    expect(nearestShape([20, 20], trained)).toEqual([28, 28]);
    expect(nearestShape([96, 96], trained)).toEqual([224, 224]);
    expect(nearestShape([40, 28, 20], trained)).toEqual([28, 28, 28]);
  });

  it('is none for a shape that was trained, and where none of as many axes was', () => {
    expect(nearestShape([224, 224], trained)).toBeUndefined();
    expect(nearestShape([20, 20], [[28, 28, 28]])).toBeUndefined();
    expect(nearestShape([20, 20], [])).toBeUndefined();
  });
});
