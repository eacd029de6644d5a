import { Rng, sha256 } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { GROUP_COHORT, type GroupCohortSpec, generateGroupPatient } from '../index.js';
import { checkGroups, groupPatients } from './group-cohort.js';
import { drawPresentation, drawSyndrome } from './syndrome.js';

const spec: GroupCohortSpec = {
  ...GROUP_COHORT,
  seed: 3,
  groups: 4,
  perGroup: { train: 2, val: 1, test: 3 },
};

describe('a cohort of groups', () => {
  it('images every patient once, by MRI of the head, with every group in every split as often as asked for', () => {
    const scans = Array.from({ length: groupPatients(spec) }, (_, at) =>
      generateGroupPatient(spec, at),
    ).flat();
    expect(scans).toHaveLength(24);
    expect(new Set(scans.map(({ subject }) => subject)).size).toBe(24);
    const counts = new Map<string, number>();
    for (const { labels, split } of scans) {
      const place = `${labels.group} ${split}`;
      counts.set(place, (counts.get(place) ?? 0) + 1);
    }
    for (const group of ['group-1', 'group-2', 'group-3', 'group-4'])
      for (const [split, patients] of Object.entries(spec.perGroup))
        expect(counts.get(`${group} ${split}`)).toBe(patients);
    for (const { modality, protocol, bodyPart, shape, voxels } of scans) {
      expect({ modality, protocol, bodyPart, shape }).toEqual({
        modality: 'mri',
        protocol: 't1',
        bodyPart: 'head',
        shape: [28, 28],
      });
      expect(new Set(voxels).size).toBeGreaterThan(20);
    }
  });

  it('gives the same bytes for the same patient, and others for another seed or patient', () => {
    const bytes = (change: object, patient: number) =>
      generateGroupPatient({ ...spec, ...change }, patient).map(({ voxels }) => sha256(Buffer.from(voxels)));
    const first = bytes({}, 5);
    bytes({}, 6);
    expect(bytes({}, 5)).toEqual(first);
    expect(bytes({ seed: 4 }, 5)).not.toEqual(first);
    expect(bytes({}, 9)).not.toEqual(first);
  });

  it('images more levels and sequences, with volumes, where that is asked for', () => {
    const wide = {
      ...spec,
      levels: ['cerebrum-high', 'posterior-fossa'],
      sequences: ['t2'] as const,
      volumes: true,
      volumeShape: [8, 12, 12] as const,
    };
    const scans = generateGroupPatient(wide, 1);
    expect(scans.map(({ labels, shape, protocol }) => [labels.region, shape, protocol])).toEqual([
      ['cerebrum-high', [28, 28], 't2'],
      ['posterior-fossa', [28, 28], 't2'],
      ['cerebrum-high', [8, 12, 12], 't2'],
      ['posterior-fossa', [8, 12, 12], 't2'],
    ]);
  });

  it('varies the patients of a group about what they share, less than groups vary among each other', () => {
    const ventricles = (group: number) => {
      const syndrome = drawSyndrome(3, group);
      return Array.from({ length: 60 }, (_, patient) =>
        Math.log(drawPresentation(syndrome, Rng.of('patient', group, patient)).traits.ventricles),
      );
    };
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const spread = (values: number[]) => {
      const middle = mean(values);
      return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
    };
    const groups = Array.from({ length: 60 }, (_, group) => ventricles(group));
    const within = mean(groups.map(spread));
    const between = spread(groups.map(mean));
    expect(within).toBeGreaterThan(0.3 * between);
    expect(within).toBeLessThan(between);
  });

  it.each([
    [{ groups: 1 }, /groups: expected 2 to 1000, found 1/],
    [{ perGroup: { train: 8, val: 0, test: 10 } }, /perGroup\.val: expected 1 to 999, found 0/],
    [{ groups: 600 }, /at most 9999 patients, found 12000/],
    [{ levels: ['heart'] }, /levels: expected cerebrum-high, ventricles, posterior-fossa, found heart/],
    [{ levels: [] }, /levels: expected each once, found none/],
    [{ sequences: [] }, /sequences: expected t1, t2, found none/],
  ])('refuses %j', (change, message) => {
    expect(() => checkGroups({ ...GROUP_COHORT, ...change })).toThrow(message);
  });
});
