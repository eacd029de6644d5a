import { describe, expect, it } from 'vitest';
import { patchGrid } from './patch-embed.js';
import { fourierPositionCodes, patchCentres } from './position-codes.js';

describe('a patch grid', () => {
  it('covers every pixel: edges that the patch does not divide get one patch more', () => {
    expect(patchGrid([28, 28], 4)).toEqual([7, 7]);
    expect(patchGrid([29, 31], 4)).toEqual([8, 8]);
    expect(patchGrid([1, 1], 16)).toEqual([1, 1]);
    expect(patchGrid([40, 28, 20], 8)).toEqual([5, 4, 3]);
  });
});

describe('patch centres', () => {
  it('are the middles of equal shares of [-1, 1], the last axis fastest', () => {
    expect([...patchCentres([1, 2])]).toEqual([0, -0.5, 0, 0.5]);
    expect([...patchCentres([2, 1, 4])]).toEqual(
      [-0.5, 0.5].flatMap((z) => [-0.75, -0.25, 0.25, 0.75].flatMap((x) => [z, 0, x])),
    );
  });
});

describe('Fourier position codes', () => {
  it('are c, sin(pi f c) and cos(pi f c) for f = 1/2, 1, 3/2 ...', () => {
    const { values, features } = fourierPositionCodes([2], 3);

    expect(features).toBe(7);
    const s = Math.SQRT1_2;
    // c = 0.5: angles pi/4, pi/2, 3 pi/4.
    expectClose(values.subarray(7), [0.5, s, s, 1, 0, s, -s]);
    // c = -0.5
    expectClose(values.subarray(0, 7), [-0.5, -s, s, -1, 0, -s, -s]);
  });

  it('say the same of the same relative place in images of different sizes', () => {
    const small = fourierPositionCodes([3, 5], 6);
    const large = fourierPositionCodes([9, 15], 6);

    // Patch (1, 3) of 3 x 5 and patch (4, 10) of 9 x 15 have the same centre.
    expectClose(codeAt(large, 4 * 15 + 10), codeAt(small, 1 * 5 + 3));
  });

  it('tell every patch of a grid from every other', () => {
    const codes = fourierPositionCodes([4, 3, 5], 4);
    const seen = new Set(Array.from({ length: 60 }, (_, token) => codeAt(codes, token).join()));

    expect(codes.features).toBe(3 * 9);
    expect(codes.values.length).toBe(60 * 27);
    expect(seen.size).toBe(60);
  });

  it('hold the code of each axis in its own columns', () => {
    const plane = fourierPositionCodes([2, 4], 2);
    const line = fourierPositionCodes([4], 2);

    for (const column of [0, 1, 2, 3]) {
      expectClose(codeAt(plane, column).subarray(5), codeAt(line, column));
      expectClose(codeAt(plane, 4 + column).subarray(5), codeAt(line, column));
    }
  });
});

function codeAt({ values, features }: { values: Float32Array; features: number }, token: number) {
  return values.subarray(token * features, (token + 1) * features);
}

function expectClose(found: Float32Array, expected: ArrayLike<number>): void {
  expect(found.length).toBe(expected.length);
  found.forEach((value, at) => {
    expect(value).toBeCloseTo(expected[at]!, 6);
  });
}
