import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { drawLabelled } from './draw-labelled.js';

const labels = Array.from({ length: 90 }, (_, image) => image % 3);
const classes = ['liver', 'knee', 'lung'];

describe('drawLabelled', () => {
  it('draws the same number of every class, without repeats', () => {
    const drawn = drawLabelled(labels, classes, 10, Rng.of(0));

    expect(new Set(drawn).size).toBe(30);
    for (const label of [0, 1, 2]) expect(drawn.filter((image) => labels[image] === label)).toHaveLength(10);
  });

  it('draws the same images again for the same key and others for another', () => {
    expect(drawLabelled(labels, classes, 10, Rng.of(1))).toEqual(
      drawLabelled(labels, classes, 10, Rng.of(1)),
    );
    expect(drawLabelled(labels, classes, 10, Rng.of(1))).not.toEqual(
      drawLabelled(labels, classes, 10, Rng.of(2)),
    );
  });

  it('names every class that has too few images', () => {
    expect(() => drawLabelled([0, 0, 1, 2, 2], classes, 2, Rng.of(0))).toThrow(
      'labelled images per class: expected at least 2 in the training split, found: knee has 1',
    );
  });
});
