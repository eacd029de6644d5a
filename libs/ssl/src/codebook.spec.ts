import { readFileSync } from 'node:fs';
import { type ImageRecord, Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { drawPatches, fitCodebook, nearestCodes } from './codebook.js';

interface Case {
  patches: number;
  width: number;
  codes: number;
  patch: number[];
  code: number[];
  ids: number[];
}

// Written by tools/golden/ssl-consistency.py.
const golden: { nearestCode: Case[] } = JSON.parse(
  readFileSync(new URL('../golden/ssl-image-gpt.json', import.meta.url), 'utf8'),
);

beforeAll(async () => {
  await useBackend();
});

describe('the nearest code', () => {
  it.each(golden.nearestCode)('is PyTorch’s: $codes codes of width $width', (one) => {
    tf.tidy(() => {
      const patches = tf.tensor2d(one.patch, [one.patches, one.width]);
      const codes = tf.tensor2d(one.code, [one.codes, one.width]);

      const ids = nearestCodes(patches, codes);

      expect(ids.dtype).toBe('int32');
      expect([...ids.dataSync()]).toEqual(one.ids);
    });
  });

  it('is the first of equally near ones, and every code is nearest to itself', () => {
    tf.tidy(() => {
      const codes = tf.tensor2d([[0, 1], [2, 1], [0, 1], [2, 1], [9, 9]]); // biome-ignore format: a code a row

      expect([...nearestCodes(codes, codes).dataSync()]).toEqual([0, 1, 0, 1, 4]);
      expect([...nearestCodes(tf.tensor2d([[1, 1]]), codes).dataSync()]).toEqual([0]);
    });
  });

  it('lets no gradient through to the codes', () => {
    const codes = tf.tensor2d([[0.1], [0.9]]);
    const loss = (x: tf.Tensor) =>
      tf.sum(tf.mul(tf.oneHot(nearestCodes(x, x), 2).toFloat(), tf.square(x))) as tf.Scalar;

    const gradient = tf.grad((x: tf.Tensor) => loss(x))(codes);

    // Only by the square: 2 x where the one-hot is 1.
    [0.2, 1.8].forEach((expected, at) => {
      expect(gradient.dataSync()[at]).toBeCloseTo(expected, 5);
    });
  });
});

describe('the codebook', () => {
  it('finds clusters that stand apart, each with its mean', () => {
    const rng = Rng.of('clusters');
    const centres = [
      [-0.8, -0.8],
      [0.8, -0.5],
      [0, 0.9],
    ];
    const patches = Array.from({ length: 300 }, (_, at) =>
      Float32Array.from(centres[at % 3]!, (value) => value + 0.02 * rng.normal()),
    );

    const book = fitCodebook(patches, 3, 5);

    for (const centre of centres) {
      const nearest = Math.min(
        ...[0, 1, 2].map((code) =>
          Math.hypot(book[2 * code]! - centre[0]!, book[2 * code + 1]! - centre[1]!),
        ),
      );
      expect(nearest).toBeLessThan(0.01);
    }
  });

  it('describes patches the better the more codes it has', () => {
    const patches = noise(400, 4);
    const errors = [2, 8, 32].map((codes) => errorOf(patches, fitCodebook(patches, codes, 0), codes));

    expect(errors[1]!).toBeLessThan(0.75 * errors[0]!);
    expect(errors[2]!).toBeLessThan(0.75 * errors[1]!);
  });

  it('is no worse than what moving any code to the mean of its patches gives: Lloyd has converged', () => {
    const patches = noise(200, 2);
    const book = fitCodebook(patches, 5, 0);
    const [sums, counts] = [new Float64Array(10), new Float64Array(5)];
    for (const patch of patches) {
      const code = nearest(patch, book, 5);
      counts[code]! += 1;
      for (const [at, value] of patch.entries()) sums[2 * code + at]! += value;
    }

    book.forEach((value, at) => {
      expect(Math.abs(value - sums[at]! / counts[Math.floor(at / 2)]!)).toBeLessThan(0.02);
    });
  });

  it('is the same for the same seed and another for another', () => {
    const patches = noise(100, 4);

    expect(fitCodebook(patches, 8, 1)).toEqual(fitCodebook(patches, 8, 1));
    expect(fitCodebook(patches, 8, 2)).not.toEqual(fitCodebook(patches, 8, 1));
  });

  it('has every patch as a code where there are fewer than codes; the rest repeat the first', () => {
    const patches = [[1, 2], [3, 4], [1, 2]].map((values) => Float32Array.from(values)); // biome-ignore format: short

    expect([...fitCodebook(patches, 4, 0)]).toEqual([1, 2, 3, 4, 1, 2, 1, 2]);
  });
});

describe('drawing patches', () => {
  it.each([
    [[9, 7, 1], 4],
    [[6, 6, 3], 2],
    [[5, 6, 7, 1], 4],
    [[4, 4, 1], 1],
  ])('cuts standardised patches out of the images: %j, patch %i', (shape, patch) => {
    const size = shape.reduce((product, edge) => product * edge, 1);
    const groups = [ramp(shape, 2, 0), ramp(shape, 3, 2)];
    const patches = drawPatches(groups, patch, 60, Rng.of('draw'));

    // In a ramp the first value of a patch tells its place: all others follow from it.
    const channels = shape.at(-1)!;
    const images = new Set<number>();
    for (const found of patches) {
      expect(found.length).toBe(patch ** (shape.length - 1) * channels);
      const values = [...found].map((value) => Math.round((value * 0.5 + 0.5) * 65535));
      images.add(Math.floor(values[0]! / size));
      const strides = shape.map((_, axis) =>
        shape.slice(axis + 1).reduce((product, edge) => product * edge, 1),
      );
      values.forEach((value, at) => {
        let rest = Math.floor(at / channels);
        let offset = at % channels;
        for (let axis = shape.length - 2; axis >= 0; axis -= 1) {
          offset += (rest % patch) * strides[axis]!;
          rest = Math.floor(rest / patch);
        }
        expect(value).toBe(values[0]! + offset);
      });
    }
    expect([...images].sort()).toEqual([0, 1, 2, 3, 4]);
  });

  it('fills with the middle grey where the image is smaller than the patch', () => {
    const [patch] = drawPatches([ramp([2, 3, 1], 1, 0)], 4, 1, Rng.of(0));

    expect([...patch!].filter((value) => value !== 0).length).toBe(6);
    expect(patch![3]).toBe(0);
    expect([...patch!.slice(8)]).toEqual(Array(8).fill(0));
  });
});

/** Images whose pixels count up, going on from `first` images. */
function ramp(shape: number[], images: number, first: number) {
  const size = shape.reduce((product, edge) => product * edge, 1);
  return {
    shape,
    pixels: Uint16Array.from({ length: images * size }, (_, at) => first * size + at),
    records: Array.from({ length: images }, () => ({}) as ImageRecord),
  };
}

function noise(count: number, width: number): Float32Array[] {
  const rng = Rng.of('codebook', count, width);
  return Array.from({ length: count }, () => Float32Array.from({ length: width }, () => rng.uniform(-1, 1)));
}

function nearest(patch: Float32Array, book: Float32Array, codes: number): number {
  const distances = Array.from({ length: codes }, (_, code) =>
    patch.reduce((sum, value, at) => sum + (value - book[code * patch.length + at]!) ** 2, 0),
  );
  return distances.indexOf(Math.min(...distances));
}

function errorOf(patches: Float32Array[], book: Float32Array, codes: number): number {
  return patches.reduce((sum, patch) => {
    const code = nearest(patch, book, codes);
    return sum + patch.reduce((own, value, at) => own + (value - book[code * patch.length + at]!) ** 2, 0);
  }, 0);
}
