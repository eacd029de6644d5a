import { FusionSpec, type MaskSpec, Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { fuse, fusionAt } from './fuse.js';
import { fusionPools } from './fusion-pools.js';
import { patientImage, patients } from './testing/sources.js';

const GROUPS = [{ task: 'group', kind: 'multi-class' as const, classes: ['a', 'b', 'c'] }];
const MASKS: MaskSpec[] = [
  { strategy: 'smooth-fields', cells: 4, sharpness: 12 },
  { strategy: 'voronoi', centres: 2, softness: 0.1 },
  { strategy: 'blocks', cells: 3 },
  { strategy: 'tissue', classes: 5 },
];
const spec = (given: Partial<FusionSpec> = {}) => FusionSpec.parse(given);

describe.each(MASKS)('a fusion by $strategy', (mask) => {
  it.each([1, 2, 5, 8])('of %i patients has weights that sum to one at every voxel', (count) => {
    for (const shape of [
      [12, 14, 1],
      [6, 9, 7, 1],
    ]) {
      const { raw } = fuse(patients(count, { shape }), spec({ mask }), GROUPS, 3);
      const voxels = raw.values.length;
      expect(raw.weights).toHaveLength(count * voxels);
      for (let voxel = 0; voxel < voxels; voxel += 1) {
        let sum = 0;
        for (let source = 0; source < count; source += 1) sum += raw.weights[source * voxels + voxel]!;
        expect(Math.abs(sum - 1)).toBeLessThan(1e-6);
      }
      expect(raw.shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 5);
    }
  });

  it('of one patient is that patient, to the byte', () => {
    const one = patientImage(4, { pixelType: 'uint16' });
    expect(fuse([one], spec({ mask }), GROUPS, 0).pixels).toEqual(one.pixels);
  });

  it('does not depend on the order of its sources', () => {
    const sources = patients(6);
    const forward = fuse(sources, spec({ mask }), GROUPS, 7);
    const backward = fuse([...sources].reverse(), spec({ mask }), GROUPS, 7);
    expect(backward.pixels).toEqual(forward.pixels);
    expect(backward.record).toEqual(forward.record);
  });

  it('takes every voxel from between its sources', () => {
    const { raw } = fuse(patients(4), spec({ mask, harmonise: 'none' }), GROUPS, 1);
    raw.values.forEach((value, voxel) => {
      const there = raw.aligned.map((source) => source[voxel]!);
      expect(value).toBeGreaterThanOrEqual(Math.min(...there) - 1e-6);
      expect(value).toBeLessThanOrEqual(Math.max(...there) + 1e-6);
    });
  });
});

describe('a fusion', () => {
  it('is the same bytes for the same data, spec and index, and others for the next index', () => {
    const pools = () => fusionPools(patients(10), spec({ sources: [3] }));
    const first = fusionAt(pools(), spec({ sources: [3] }), GROUPS, 5);
    const again = fusionAt(pools(), spec({ sources: [3] }), GROUPS, 5);
    const next = fusionAt(pools(), spec({ sources: [3] }), GROUPS, 6);
    expect(again.pixels).toEqual(first.pixels);
    expect(again.record).toEqual(first.record);
    expect(next.record.id).not.toBe(first.record.id);
  });

  it('does not depend on the order in which the images of the data set come', () => {
    const images = patients(10);
    const shuffled = Array.from(Rng.of('shuffle').permutation(10), (at) => images[at]!);
    const of = (given: typeof images) => fusionAt(fusionPools(given, spec()), spec(), GROUPS, 2).pixels;
    expect(of(shuffled)).toEqual(of(images));
  });

  it('carries no patient: its subject is its own and its sources are hashes', () => {
    const sources = patients(3);
    const { record } = fuse(sources, spec(), GROUPS, 0);
    const text = JSON.stringify(record);
    for (const source of sources) {
      expect(text).not.toContain(source.record.subject);
      expect(record.fusion!.sources.map((part) => part.source)).toContain(source.record.source);
    }
  });

  it('has the mixture of its sources’ classes by their shares of the voxels', () => {
    const { record, raw, sources } = fuse(patients(3), spec(), GROUPS, 0);
    const expected = [0, 0, 0];
    sources.forEach((source, at) => {
      expected[source.record.labels.group as number]! += raw.shares[at]!;
    });
    expect(record.labels).toEqual({});
    expect(record.mixtures!.group).toEqual(expected);
  });

  it('keeps a class that all its sources have', () => {
    const { record } = fuse([patientImage(0), patientImage(3)], spec(), GROUPS, 0);
    expect(record.labels).toEqual({ group: 0 });
    expect(record.mixtures).toBeUndefined();
  });

  it.each([
    ['split', { split: 'val' as const }, /split: expected one for all sources, found train, val/],
    ['modality', { modality: 'ct' }, /modality: expected one for all sources, found ct, mri/],
    ['body part', { bodyPart: 'leg' }, /body part: expected one for all sources, found head, leg/],
    ['number of axes', { shape: [4, 12, 14, 1] }, /spatial axes: .* found 2, 3/],
  ])('of two kinds of %s is refused', (_, other, message) => {
    expect(() => fuse([patientImage(0), patientImage(1, other)], spec(), GROUPS, 0)).toThrow(message);
  });

  it('across modalities is made where the spec says so, across splits never', () => {
    const across = { modality: true, bodyPart: true };
    const ct = patientImage(1, { modality: 'ct' });
    expect(fuse([patientImage(0), ct], spec({ across }), GROUPS, 0).record.modality).toMatch(/^(ct|mri)$/);
    const val = patientImage(1, { split: 'val' });
    expect(() => fuse([patientImage(0), val], spec({ across }), GROUPS, 0)).toThrow(/split/);
  });

  it('brings sources of other sizes and spacings to the anchor’s grid', () => {
    const small = patientImage(0, { shape: [12, 14, 1], spacingMm: [2, 2] });
    const large = patientImage(1, { shape: [24, 28, 1], spacingMm: [1, 1] });
    const { record, raw } = fuse([small, large], spec(), GROUPS, 0);
    expect([small.record.shape, large.record.shape]).toContainEqual(record.shape);
    expect(raw.aligned.map(({ length }) => length)).toEqual([raw.values.length, raw.values.length]);
  });
});

describe('pools', () => {
  it('hold different patients only: no fusion has two images of one', () => {
    const images = [0, 0, 0, 1, 1, 2].map((patient, at) => patientImage(patient, { spacingMm: [1 + at, 1] }));
    const pools = fusionPools(images, spec({ sources: [3] }));
    for (let index = 0; index < 20; index += 1) {
      const { sources } = fusionAt(pools, spec({ sources: [3] }), GROUPS, index);
      expect(new Set(sources.map(({ record }) => record.subject)).size).toBe(3);
    }
  });

  it('never reach across splits, modalities or labels that have to match', () => {
    const images = [...patients(4), ...patients(4, { split: 'test' }), ...patients(4, { modality: 'ct' })];
    const wanted = spec({ sources: [2], match: ['group'] });
    const pools = fusionPools(images, wanted);
    for (let index = 0; index < 40; index += 1) {
      const { sources, record } = fusionAt(pools, wanted, GROUPS, index);
      expect(new Set(sources.map(({ record }) => `${record.split} ${record.modality}`)).size).toBe(1);
      expect(record.split).toBe('train');
      expect(record.mixtures).toBeUndefined();
    }
  });

  it('with too few patients are refused with what was found', () => {
    expect(() => fusionPools(patients(3), spec({ sources: [8] }))).toThrow(
      /split train: expected at least 8 patients .* found 3/,
    );
  });
});
