import { describe, expect, it } from 'vitest';
import { toPixels } from '../decode/decode-image.js';
import { resampledEdges, resamplePixels } from './resample.js';

const volume = { shape: [4, 6, 8, 1], spacingMm: [2, 1, 0.5] };

describe('resampled edges', () => {
  it('keep the field of view at the asked spacing, slices only where three numbers are given', () => {
    expect(resampledEdges(volume, { to: 'spacing', values: [1, 1, 1] }, 'a')).toEqual([8, 6, 4]);
    expect(resampledEdges(volume, { to: 'spacing', values: [1, 1] }, 'a')).toEqual([4, 6, 4]);
    const plane = { shape: [6, 8, 1], spacingMm: [1, 0.5] };
    expect(resampledEdges(plane, { to: 'spacing', values: [9, 2, 1] }, 'a')).toEqual([3, 4]);
    expect(resampledEdges(volume, { to: 'shape', values: [28, 30] }, 'a')).toEqual([4, 28, 30]);
  });

  it('are refused for millimetres of an image that tells none, and beyond what an image may take', () => {
    expect(() => resampledEdges({ shape: [6, 8, 1] }, { to: 'spacing', values: [1, 1] }, 'a.png')).toThrow(
      /^a\.png: spacing: expected millimetres, .* found none/,
    );
    expect(() => resampledEdges(volume, { to: 'spacing', values: [1e-4, 1, 1] }, 'a')).toThrow(
      /resampled shape/,
    );
    expect(() => resampledEdges(volume, { to: 'shape', values: [4000, 4000, 4000] }, 'a')).toThrow(/bytes/);
  });
});

describe('resampled pixels', () => {
  it('average where pixels grow, interpolate where they shrink, and carry their spacing', () => {
    const line = { shape: [1, 4, 1], pixels: Uint16Array.of(0, 100, 200, 300), spacingMm: [1, 1] };
    const half = resamplePixels(line, [1, 2]);
    expect(half).toEqual({ shape: [1, 2, 1], pixels: Uint16Array.of(71, 229), spacingMm: [1, 2] });
    const double = resamplePixels({ ...line, shape: [2, 2, 1], pixels: Uint8Array.of(0, 8, 4, 12) }, [2, 4]);
    expect(double.pixels).toEqual(Uint8Array.of(0, 2, 6, 8, 4, 6, 10, 12));
    expect(double.spacingMm).toEqual([1, 0.5]);
  });

  it('keep the channels of a colour apart and a constant image as it is', () => {
    const pixels = Uint8Array.from({ length: 5 * 7 * 3 }, (_, at) => [10, 200, 255][at % 3]!);
    const made = resamplePixels({ shape: [5, 7, 3], pixels }, [3, 11]);
    expect(made.shape).toEqual([3, 11, 3]);
    expect(made.pixels).toEqual(Uint8Array.from({ length: 99 }, (_, at) => [10, 200, 255][at % 3]!));
  });

  it('come after normalisation as a recorded step that gives the same pixels again', () => {
    const values = Int16Array.from({ length: 192 }, (_, at) => (at === 5 ? -2000 : at));
    const image = { ...volume, values, padding: [-2000, -2000] as [number, number] };
    const rule = { rule: 'z-score', low: -3, high: 3 } as const;
    const made = toPixels(image, 'nifti', rule, { resampling: { to: 'spacing', values: [1, 1, 1] } });
    expect(made.normalisation.map(({ step }) => step)).toEqual(['padding-to-low', 'scale', 'resample']);
    expect(made).toMatchObject({ shape: [8, 6, 4, 1], spacingMm: [1, 1, 1] });
    const plain = toPixels(image, 'nifti', rule);
    const step = made.normalisation.at(-1)!;
    expect(step.step === 'resample' && resamplePixels(plain, step.edges).pixels).toEqual(made.pixels);
  });
});
