import { describe, expect, it } from 'vitest';
import type { FusionQuality, FusionQualityRow } from './fusion-quality.js';
import { fusionQualityTable } from './fusion-quality-table.js';
import { FusionSpec } from './fusion-spec.js';

const ROW: FusionQualityRow = {
  sources: 2,
  modality: 'mri',
  bodyPart: 'head',
  axes: 2,
  fusions: 64,
  images: 160,
  patients: 160,
  seam: { expected: 0.01, raw: 0.0125 },
  histogram: { distance: 0.012, real: 0.004 },
};
const quality = (generator: string | undefined, ...rows: FusionQualityRow[]): FusionQuality => ({
  kind: 'medformer.fusion-quality.v1',
  spec: {
    dataset: 'a'.repeat(64),
    fusion: FusionSpec.parse(generator ? { generator } : {}),
    count: 64,
  },
  datasetName: 'brains',
  synthetic: true,
  rows,
  codeVersion: 'test',
});

describe('the table of the quality of fusions', () => {
  it('has a row for each record and number of patients, empty where nothing was measured', () => {
    const repaired: FusionQualityRow = {
      ...ROW,
      sources: 8,
      seam: { expected: 0.01, raw: 0.0125, repaired: -0.0025, ratio: 5 },
      drift: { mean: 0.004, largest: 0.0191 },
      frechet: { distance: 1.2345, real: 0.5, images: 64, width: 96 },
      memorisation: { threshold: 0.98, rate: 0.125, nearest: 0.95, nearestReal: 0.9 },
      diversity: { fusions: 0.1, images: 0.12 },
    };
    const { head, rows } = fusionQualityTable([quality(undefined, ROW), quality('b'.repeat(64), repaired)]);

    expect(rows).toEqual([
      ['RawBrainFuse', '2', '64', '12.50', '', '', '0.0120 (0.0040)', '', '', '', ''],
      [
        'BrainFuse',
        ...['8', '64', '12.50', '-2.50 (5.0×)', '0.4 % (1.9 %)', '0.0120 (0.0040)', '1.23 (0.500)'],
        ...['12.5 % (r > 0.980)', '0.950 (0.900)', '0.100 (0.120)'],
      ],
    ]);
    expect(head).toHaveLength(11);
  });

  it('says which images where there are several kinds, and no ratio to nothing', () => {
    const volumes: FusionQualityRow = {
      ...ROW,
      axes: 3,
      seam: { expected: 0, raw: 1, repaired: 0, ratio: null },
    };
    const { head, rows } = fusionQualityTable([quality('b'.repeat(64), ROW, volumes)]);

    expect(head[1]).toBe('images');
    expect(rows.map((row) => row[1])).toEqual(['mri head 2D', 'mri head 3D']);
    expect(rows[1]![5]).toBe('0.00');
  });
});
