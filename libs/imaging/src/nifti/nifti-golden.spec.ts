import { readFile } from 'node:fs/promises';
import { sha256 } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { decodeNifti, decodeNiftiFrames } from './decode-nifti.js';

interface Golden {
  file: string;
  shape: number[];
  spacingMm: number[];
  /** SHA-256 of each volume's values as little-endian float64. */
  frames: string[];
  /** Not a number among the values, which no training survives. */
  refused?: 'NaN';
}

const GOLDEN = new URL('../../golden/', import.meta.url);
const SAMPLES = new URL('../../../../.cache/format-samples/nibabel/', import.meta.url);
const golden: { nifti: Golden[] } = JSON.parse(await readFile(new URL('nifti/nifti.json', GOLDEN), 'utf8'));

describe('decodeNiftiFrames', () => {
  it.each(golden.nifti.map((one) => [one.file, one] as const))(
    'reads %s as nibabel does, closest canonical',
    async (file, { shape, spacingMm, frames, refused }) => {
      const image = /\.hdr/.test(file) ? await bytesOf(file.replace('.hdr', '.img')) : undefined;
      const bytes = await bytesOf(file);
      if (refused) {
        expect(() => decodeNiftiFrames(bytes, file)).toThrow(/voxels: expected finite numbers, found NaN/);
        return;
      }
      const found = decodeNiftiFrames(bytes, file, image);
      expect(found.map(({ values }) => sha256(new Uint8Array(Float64Array.from(values).buffer)))).toEqual(
        frames,
      );
      const [first] = found;
      expect(first!.shape).toEqual(shape[0] === 1 ? shape.slice(1) : shape);
      for (const [axis, edge] of (first!.spacingMm ?? []).entries())
        expect(edge).toBeCloseTo(spacingMm.slice(-first!.spacingMm!.length)[axis]!, 4);
    },
  );
});

describe('decodeNifti', () => {
  it('refuses several volumes where one is wanted, and an intercept that is no number', async () => {
    const four = await bytesOf('nifti/four-dimensions.nii');
    expect(() => decodeNifti(four, 'x.nii')).toThrow(
      /^x\.nii: dim\[4\]: expected 1 \(a single volume\), found 3/,
    );
    const half = Buffer.from(await bytesOf('nifti/slope-half-1.nii'));
    half.writeFloatLE(Number.NaN, 116);
    expect(() => decodeNifti(half, 'x.nii')).toThrow(/scl_inter: expected a finite number .*, found NaN/);
  });

  it('refuses half a pair and colours of several opacities', async () => {
    const header = await bytesOf('nifti/pair-le-1.hdr');
    expect(() => decodeNifti(header, 'x.hdr')).toThrow(/header: expected .* single-file image/);
    expect(() => decodeNifti(header, 'x.hdr', new Uint8Array(9))).toThrow(/voxels: expected 240 bytes/);
    const clear = Buffer.from(await bytesOf('nifti/rgba32.nii'));
    clear[352 + 4 * 7 + 3] = 9;
    expect(() => decodeNifti(clear, 'x.nii')).toThrow(/RGBA32 of one opacity, found transparency/);
  });
});

function bytesOf(file: string): Promise<Buffer> {
  return readFile(file.startsWith('nibabel:') ? new URL(file.slice(8), SAMPLES) : new URL(file, GOLDEN));
}
