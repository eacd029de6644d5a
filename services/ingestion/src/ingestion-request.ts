import { join } from 'node:path';
import type { IngestRequest, PhantomCohort, PhantomGroups } from '@medformer/gen/ingestion';
import { DEFAULT_TEST_FRACTION, DEFAULT_VAL_FRACTION } from '@medformer/imaging';
import {
  type CohortSpec,
  checkSpec,
  DEMO_COHORT,
  GROUP_COHORT,
  type GroupCohortSpec,
  MRI_SEQUENCES,
  PHANTOM_VERSION,
} from '@medformer/phantom';
import { badInput, ContentHash, contentAddress, type MedformerError, Slug } from '@medformer/schema';
import type { z } from 'zod';
import type { IngestionInput } from './ingestion-calls.js';
import { pixelOptions } from './pixel-options.js';

/** The request's name and options, checked, with defaults in place of what is empty. */
export function parseIngestRequest({
  name,
  options,
}: IngestRequest): Pick<IngestionInput, 'name' | 'description' | 'options'> {
  field('name', Slug, name);
  if (ContentHash.safeParse(name).success) throw refuse('name', 'a name that is no hash', name);
  const { modality = '', bodyPart = '', valFraction = 0, testFraction = 0 } = options ?? {};
  const val = share('options.val_fraction', valFraction, DEFAULT_VAL_FRACTION);
  const test = share('options.test_fraction', testFraction, DEFAULT_TEST_FRACTION);
  if (val + test >= 1) throw refuse('options', 'val_fraction + test_fraction below 1', String(val + test));
  return {
    name,
    description: options?.description ?? '',
    options: {
      ...(modality ? { modality: field('options.modality', Slug, modality) } : {}),
      ...(bodyPart ? { bodyPart: field('options.body_part', Slug, bodyPart) } : {}),
      splitSeed: Number(options?.splitSeed ?? 0n),
      valFraction: val,
      testFraction: test,
      skipBadFiles: options?.skipBadFiles ?? false,
      allowMd5Mismatch: options?.allowMd5Mismatch ?? false,
      ...pixelOptions(options),
    },
  };
}

/** The cohort asked for, the demo's size where no patients are given, and its folder under `data`. */
export function phantomSource(
  { seed, patients, volumePatients, imageShape, volumeShape, groups }: PhantomCohort,
  data: string,
): { kind: 'phantom'; folder: string; cohort: CohortSpec } {
  const size = patients === 0 ? DEMO_COHORT : { patients, volumePatients };
  const cohort: CohortSpec = {
    ...(groups ? groupCohort(groups) : { patients: size.patients, volumePatients: size.volumePatients }),
    seed: Number(seed),
    ...(imageShape.length > 0 ? { imageShape: edges('image_shape', imageShape, 2) } : {}),
    ...(volumeShape.length > 0 ? { volumeShape: edges('volume_shape', volumeShape, 3) } : {}),
  };
  checkSpec(cohort);
  return {
    kind: 'phantom',
    folder: join(data, 'phantoms', `v${PHANTOM_VERSION}-${folderOf(cohort)}`),
    cohort,
  };
}

function groupCohort(asked: PhantomGroups): Omit<GroupCohortSpec, 'seed'> {
  const { train, val, test, levels, volumes } = asked;
  const sequences = asked.sequences.map((sequence) => {
    const known = MRI_SEQUENCES.find((name) => name === sequence);
    if (!known) throw refuse('phantom.groups.sequences', MRI_SEQUENCES.join(', '), sequence);
    return known;
  });
  return {
    groups: asked.groups || GROUP_COHORT.groups,
    perGroup: train + val + test > 0 ? { train, val, test } : GROUP_COHORT.perGroup,
    levels: levels.length > 0 ? levels : GROUP_COHORT.levels,
    sequences: sequences.length > 0 ? sequences : GROUP_COHORT.sequences,
    volumes,
  };
}

function folderOf(cohort: CohortSpec): string {
  if ('groups' in cohort) return `groups-${contentAddress(cohort).slice(0, 16)}`;
  const shapes = [cohort.imageShape, cohort.volumeShape].flatMap((shape) => shape?.join('x') ?? []);
  return `seed-${[cohort.seed, cohort.patients, cohort.volumePatients, ...shapes].join('-')}`;
}

function edges<Axes extends 2 | 3>(name: string, shape: number[], axes: Axes) {
  if (shape.length !== axes) throw refuse(`phantom.${name}`, `${axes} edges`, `${shape.length}`);
  return shape as unknown as Axes extends 2 ? [number, number] : [number, number, number];
}

function share(name: string, value: number, fallback: number): number {
  if (value === 0) return fallback;
  if (value > 0 && value < 1) return value;
  throw refuse(name, 'a share between 0 and 1', String(value));
}

function field<Schema extends z.ZodType>(name: string, schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw refuse(name, 'lower-case words joined by hyphens', JSON.stringify(String(value).slice(0, 80)));
}

function refuse(name: string, expected: string, found: string): MedformerError {
  return badInput({ file: 'request', field: name, expected, found });
}
