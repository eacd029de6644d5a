import { Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { borderBetween } from '../neighbours.js';
import { seamEnergy } from '../quality/seam-energy.js';
import { bandLosses, seamLoss } from './band-losses.js';

beforeAll(async () => {
  await useBackend();
});

const numberOf = (scalar: tf.Tensor) => scalar.dataSync()[0]!;

describe('losses in the band', () => {
  it('are per voxel drawn anew, whatever the rest of the image', () => {
    for (const length of [5, 40]) {
      const values = tf.zeros([1, 1, length, 1]);
      const target = tf.tensor([0, 0.3, 0.3, ...Array<number>(length - 3).fill(0)], [1, 1, length, 1]);
      const band = tf.tensor([0, 1, 1, ...Array<number>(length - 3).fill(0)], [1, 1, length, 1]);

      const { pixel, gradient } = bandLosses(values, target, band);

      expect(numberOf(pixel)).toBeCloseTo(0.3, 5);
      // Two steps of 0.3 along one of two axes, over two voxels.
      expect(numberOf(gradient)).toBeCloseTo(0.15, 5);
    }
  });

  it('see blur that keeps the mean, and only inside of the band', () => {
    const target = tf.tensor([0.2, 0.8, 0.2, 0.8, 0.2], [1, 5, 1, 1]);
    const blurred = tf.tensor([0.2, 0.5, 0.5, 0.5, 0.2], [1, 5, 1, 1]);
    const inner = tf.tensor([0, 1, 1, 1, 0], [1, 5, 1, 1]);

    // No contrast at all where all was expected.
    expect(numberOf(bandLosses(blurred, target, inner).sharpness)).toBeCloseTo(1, 4);
    expect(numberOf(bandLosses(blurred, target, tf.zeros([1, 5, 1, 1])).sharpness)).toBe(0);
  });

  it('are 0 for the target itself, also without a band', () => {
    const image = tf.randomUniform([2, 3, 4, 5, 1], 0, 1, 'float32', 3);
    const { pixel, gradient, sharpness } = bandLosses(image, image, tf.zeros([2, 3, 4, 5, 1]));

    expect([pixel, gradient, sharpness].map(numberOf)).toEqual([0, 0, 0]);
  });
});

describe('the seam loss', () => {
  it('is made of the same jumps as the seam energy', () => {
    const rng = Rng.of('seam loss');
    const noise = (length: number) => Float32Array.from({ length }, () => rng.uniform());
    for (const shape of [
      [6, 5, 1],
      [4, 3, 5, 2],
    ]) {
      const spatial = shape.slice(0, -1);
      const voxels = spatial.reduce((product, edge) => product * edge, 1);
      const first = noise(voxels);
      const weights = Float32Array.from([...first, ...first.map((weight) => 1 - weight)]);
      const aligned = [noise(voxels * shape.at(-1)!), noise(voxels * shape.at(-1)!)];
      const values = noise(voxels * shape.at(-1)!);
      const { jump, expected } = seamEnergy(values, { weights, aligned, shape });

      const loss = seamLoss(
        tf.tensor(values, [1, ...shape]),
        tf.tensor(borderBetween(weights, spatial), [1, ...spatial, spatial.length]),
        tf.tensor([expected]),
      );

      expect(numberOf(loss)).toBeCloseTo(Math.abs(jump - expected) / (jump + expected), 4);
    }
  });
});
