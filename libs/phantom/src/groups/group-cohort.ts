import { MedformerError, type Split } from '@medformer/schema';
import type { MriSequence } from '../modality/mri.js';
import { REGIONS, type Region } from '../region.js';
import type { ScanShapes } from '../scan.js';

/**
 * A scarce cohort for telling many groups of patients apart by an MR image of the brain: a group is a syndrome, whose
 * patients share deviations of anatomy and tissue and vary them.
 */
export interface GroupCohortSpec extends ScanShapes {
  seed: number;
  groups: number;
  /** Patients of each group in each split. */
  perGroup: Record<Split, number>;
  /** Regions of the head; each patient is imaged at each. */
  levels: readonly string[];
  /** Each patient's is drawn from these. */
  sequences: readonly MriSequence[];
  /** With a volume of each level beside the image. */
  volumes: boolean;
}

/** 400 patients, an image each: twenty groups, eight patients of each to learn from. */
export const GROUP_COHORT: GroupCohortSpec = {
  seed: 7,
  groups: 20,
  perGroup: { train: 8, val: 2, test: 10 },
  levels: ['ventricles'],
  sequences: ['t1'],
  volumes: false,
};

const SPLITS = ['train', 'val', 'test'] as const satisfies Split[];
const HEAD_LEVELS = REGIONS.filter(({ body }) => body === 'head');

export function groupPatients({ groups, perGroup }: GroupCohortSpec): number {
  return groups * SPLITS.reduce((sum, split) => sum + perGroup[split], 0);
}

/** Which group a patient is of, and which split: patients go round the groups, training first. */
export function placeOf(
  { groups, perGroup }: GroupCohortSpec,
  patient: number,
): { group: number; split: Split } {
  let rank = Math.floor(patient / groups);
  const split = SPLITS.find((each) => {
    rank -= perGroup[each];
    return rank < 0;
  })!;
  return { group: patient % groups, split };
}

export function groupName({ groups }: GroupCohortSpec, group: number): string {
  return `group-${String(group + 1).padStart(String(groups).length, '0')}`;
}

export function levelOf(name: string): Region {
  const found = HEAD_LEVELS.find((region) => region.name === name);
  if (found) return found;
  return refuse('levels', HEAD_LEVELS.map((region) => region.name).join(', '), name);
}

/** @throws MedformerError INVALID_ARGUMENT naming the field that makes no cohort */
export function checkGroups(spec: GroupCohortSpec): void {
  const { groups, perGroup, levels, sequences } = spec;
  const whole = (n: number, low: number, high: number) => Number.isInteger(n) && n >= low && n <= high;
  if (!Number.isInteger(spec.seed)) refuse('seed', 'an integer', spec.seed);
  if (!whole(groups, 2, 1000)) refuse('groups', '2 to 1000', groups);
  for (const split of SPLITS)
    if (!whole(perGroup[split], 1, 999)) refuse(`perGroup.${split}`, '1 to 999', perGroup[split]);
  if (groupPatients(spec) > 9999) refuse('groups', 'at most 9999 patients', groupPatients(spec));
  if (levels.length === 0 || new Set(levels).size < levels.length)
    refuse('levels', 'each once', levels.join() || 'none');
  for (const level of levels) levelOf(level);
  if (sequences.length === 0) refuse('sequences', 't1, t2', 'none');
}

function refuse(field: string, expected: string, found: number | string): never {
  throw new MedformerError(
    'INVALID_ARGUMENT',
    `phantom groups: ${field}: expected ${expected}, found ${found}`,
  );
}
