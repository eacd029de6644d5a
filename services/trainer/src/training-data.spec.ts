import { describe, expect, it } from 'vitest';
import { trainedShapes } from './training-data.js';

describe('the shapes that a checkpoint was trained on', () => {
  it('are spatial, most frequent first, whatever the channels', () => {
    expect(trainedShapes([group([28, 28, 1], 3), group([64, 48, 1], 4), group([28, 28, 3], 2)], [])).toEqual([
      [28, 28],
      [64, 48],
    ]);
  });

  it('are those of the initial checkpoint where the run has no image of as many axes', () => {
    const before = [
      [224, 224],
      [28, 28, 28],
    ];

    expect(trainedShapes([group([28, 28, 1], 3)], before)).toEqual([
      [28, 28],
      [28, 28, 28],
    ]);
  });

  it('are the 64 most frequent of a cohort whose images are all of their own shape', () => {
    const all = Array.from({ length: 100 }, (_, at) => group([10 + at, 10, 1], at + 1));

    const shapes = trainedShapes(all, []);
    expect(shapes).toHaveLength(64);
    expect(shapes[0]).toEqual([109, 10]);
  });
});

function group(shape: number[], images: number) {
  return { shape, pixels: new Uint8Array(), records: Array(images) };
}
