import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { drawLabelled, drawTaskLabelled } from './draw-labelled.js';

const labels = Array.from({ length: 90 }, (_, image) => image % 3);
const classes = ['liver', 'knee', 'lung'];
const ten = () => 10;

describe('drawLabelled', () => {
  it('draws the same number of every class, without repeats', () => {
    const drawn = drawLabelled(labels, classes, ten, Rng.of(0));

    expect(new Set(drawn).size).toBe(30);
    for (const label of [0, 1, 2]) expect(drawn.filter((image) => labels[image] === label)).toHaveLength(10);
  });

  it('draws the same images again for the same key and others for another', () => {
    expect(drawLabelled(labels, classes, ten, Rng.of(1))).toEqual(
      drawLabelled(labels, classes, ten, Rng.of(1)),
    );
    expect(drawLabelled(labels, classes, ten, Rng.of(1))).not.toEqual(
      drawLabelled(labels, classes, ten, Rng.of(2)),
    );
  });

  it('names every class that has too few images', () => {
    expect(() => drawLabelled([0, 0, 1, 2, 2], classes, () => 2, Rng.of(0))).toThrow(
      'labelled images per class: expected at least 2 in the training split, found: knee has 1',
    );
  });
});

describe('drawTaskLabelled', () => {
  const uneven = {
    kind: 'multi-class' as const,
    classes: Array.from({ length: 130 }, (_, image) => (image < 100 ? 0 : image < 129 ? 1 : 2)),
  };
  const drawn = (labelFraction: number) => drawTaskLabelled(uneven, classes, { labelFraction }, Rng.of(0));
  const counts = (images: number[]) =>
    [0, 1, 2].map((label) => images.filter((image) => uneven.classes[image] === label).length);

  it('draws a share of each class, at least one image', () => {
    expect(counts(drawn(0.01))).toEqual([1, 1, 1]);
    expect(counts(drawn(0.05))).toEqual([5, 1, 1]);
    expect(counts(drawn(0.1))).toEqual([10, 3, 1]);
  });

  it('draws nothing where all are wanted', () => {
    expect(drawn(1)).toEqual(Array.from({ length: 130 }, (_, image) => image));
    expect(drawTaskLabelled(uneven, classes, {}, Rng.of(0))).toEqual(drawn(1));
  });

  it('draws the more labels on top of the fewer', () => {
    const few = drawn(0.05);
    const more = new Set(drawn(0.5));
    expect(few.filter((image) => !more.has(image))).toEqual([]);
  });

  it('draws a share of the positives of every label, and of the images without any', () => {
    const rows = 200;
    const flags = Array.from({ length: rows }, (_, image) => [
      Number(image % 4 === 0),
      Number(image % 10 === 1),
    ]);
    const labels = {
      kind: 'multi-label' as const,
      flags: { rows, columns: 2, data: Float64Array.from(flags.flat()) },
    };

    const images = drawTaskLabelled(labels, ['a', 'b'], { labelFraction: 0.1 }, Rng.of(0));

    const positives = (label: number) => images.filter((image) => flags[image]![label] === 1).length;
    expect([positives(0), positives(1)]).toEqual([5, 2]);
    expect(images.filter((image) => flags[image]!.every((flag) => flag === 0))).toHaveLength(13);
  });
});
