import { IngestOptions } from '@medformer/gen/ingestion';
import { expect, it } from 'vitest';
import { pixelOptions } from './pixel-options.js';

const of = (options: Partial<IngestOptions>) => pixelOptions(IngestOptions.fromPartial(options));

it('says nothing where the request says nothing, so that the usual rules hold', () => {
  expect(of({})).toEqual({});
  expect(pixelOptions(undefined)).toEqual({});
});

it('takes rules by modality and one kind of resampling', () => {
  expect(
    of({
      normalisation: {
        mri: { rule: 'z-score', low: -3, high: 3 },
        pet: { rule: 'suv-window', low: 0, high: 10 },
      },
      resampleSpacingMm: [1, 1, 1],
    }),
  ).toEqual({
    normalisation: {
      mri: { rule: 'z-score', low: -3, high: 3 },
      pet: { rule: 'suv-window', low: 0, high: 10, otherwise: { low: 0, high: 99.9 } },
    },
    resampling: { to: 'spacing', values: [1, 1, 1] },
  });
  expect(of({ resampleShape: [64, 64] }).resampling).toEqual({ to: 'shape', values: [64, 64] });
});

it.each<[string, Partial<IngestOptions>, RegExp]>([
  ['an unknown rule', { normalisation: { mri: { rule: 'median', low: 0, high: 1 } } }, /normalisation\.mri/],
  [
    'an empty range',
    { normalisation: { ct: { rule: 'hu-window', low: 5, high: 5 } } },
    /low below high.* 5 and 5/,
  ],
  ['no percentile', { normalisation: { ct: { rule: 'percentile', low: 0, high: 101 } } }, /from 0 to 100/],
  ['no modality', { normalisation: { 'M R': { rule: 'z-score', low: 0, high: 1 } } }, /lower-case words/],
  ['both resamplings', { resampleShape: [2, 2], resampleSpacingMm: [1, 1] }, /one of .* found both/],
  ['one edge', { resampleShape: [2] }, /options\.resample_shape: expected two or three/],
  ['a spacing of nothing', { resampleSpacingMm: [1, 0] }, /options\.resample_spacing_mm/],
])('refuses %s, naming the option', (_, options, says) => {
  expect(() => of(options)).toThrow(says);
});
