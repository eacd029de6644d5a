import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { blankMasked, patchify } from './patches.js';

interface Golden {
  maskedAutoencoding: {
    shape: number[];
    patch: number;
    tokens: number;
    pixels: number[];
    patches: number[];
  }[];
}

// Written by tools/golden/ssl_pretext.py.
const golden: Golden = JSON.parse(
  readFileSync(new URL('../../golden/ssl-pretext.json', import.meta.url), 'utf8'),
);

describe('patchify', () => {
  it.each(golden.maskedAutoencoding)(
    'is that of the MAE reference: $shape by patches of $patch',
    ({ shape, patch, pixels, patches }) => {
      const [batch, ...image] = shape as [number, ...number[]];
      const [size, patched] = [pixels.length / batch, patches.length / batch];
      const found = Array.from({ length: batch }, (_, index) => {
        const out = new Float32Array(patched);
        patchify(Float32Array.from(pixels.slice(index * size, (index + 1) * size)), image, patch, out);
        return [...out];
      }).flat();

      expect(found).toEqual([...Float32Array.from(patches)]);
    },
  );

  it('repeats the last pixel where a patch reaches over the edge', () => {
    const out = new Float32Array(4 * 4);
    patchify(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), [3, 3, 1], 2, out);

    expect([...out]).toEqual([1, 2, 4, 5, 3, 3, 6, 6, 7, 8, 7, 8, 9, 9, 9, 9]);
  });
});

describe('blanking', () => {
  it('zeroes the pixels of masked patches and no other, at uneven edges too', () => {
    const view = new Float32Array(5 * 3 * 2).fill(1);
    blankMasked(view, [5, 3, 2], 2, [0, 1, 1, 0, 0, 1]);

    expect([...view].filter((_, at) => at % 2 === 0)).toEqual([1, 1, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 1, 1, 0]);
    expect([...view].filter((_, at) => at % 2 === 1)).toEqual([...view].filter((_, at) => at % 2 === 0));
  });

  it('works on volumes', () => {
    const view = new Float32Array(4 * 2 * 2).fill(1);
    blankMasked(view, [4, 2, 2, 1], 2, [0, 1]);

    expect([...view]).toEqual([...Array(8).fill(1), ...Array(8).fill(0)]);
  });
});
