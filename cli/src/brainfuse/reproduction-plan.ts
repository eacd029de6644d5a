import {
  BootstrapSpec,
  FusionSpec,
  GeneratorSpec,
  MedformerError,
  parseRecord,
  Slug,
} from '@medformer/schema';
import { z } from 'zod';
import { checkRunSpec } from '../commands/train.js';
import { checkSpec, readSpec, type Spec } from '../spec-file.js';
import { type Fusing, PHASES, type Phase, PROCEDURES } from './procedures.js';

const Settings = z.record(z.string(), z.unknown());
const Positive = z.number().int().min(1);

const Plan = z.strictObject({
  /** Recognised are classes of this data set's test split. */
  dataset: Slug,
  task: Slug,
  /** The synthetic cohort that `dataset` is made of; own data is there already. */
  cohort: z
    .strictObject({
      seed: z.number().int().default(0),
      groups: Positive.optional(),
      perGroup: z.tuple([Positive, Positive, Positive]).optional(),
      imageShape: z.array(Positive).length(2).optional(),
      volumeShape: z.array(Positive).length(3).optional(),
      levels: z.array(z.string()).optional(),
      sequences: z.array(z.string()).optional(),
      volumes: z.boolean().optional(),
    })
    .optional(),
  seeds: z.array(z.number().int()).min(1),
  dimensions: z.union([z.literal(2), z.literal(3)]).default(2),
  /** Confidence intervals of the test scores. */
  intervals: BootstrapSpec.optional(),
  /** What every run has; below, what its phase adds. `fusion` of a phase counts in procedures that fuse. */
  common: Settings.default({}),
  phases: z.strictObject({ bt: Settings, nt: Settings, cr: Settings }),
  fusion: Settings.default({}),
  generator: Settings.default({}),
  /** Fusions whose quality is measured, of each number of patients. */
  measured: z.number().int().min(2).max(4096).default(64),
});

export interface ReproductionPlan extends Omit<z.infer<typeof Plan>, 'common' | 'phases' | 'fusion'> {
  /** A FusionSpec, as a file would have it. */
  fusionSpec(generator?: string): Spec;
  /** The RunSpec of a phase, as a file would have it. `generator` is of BrainFuse only. */
  runSpec(phase: Phase, fusing: Fusing, seed: number, generator?: string): Spec;
}

/** @throws MedformerError INVALID_ARGUMENT naming the key */
export async function readReproductionPlan(file: string, overrides: string[]): Promise<ReproductionPlan> {
  const { common, phases, fusion, ...plan } = parseRecord(Plan, await readSpec(file, overrides), file);
  const generatorSpec = { axes: plan.dimensions, ...plan.generator };
  checkSpec(GeneratorSpec, generatorSpec, {}, `${file}: generator`);
  checkSpec(FusionSpec, fusion, {}, `${file}: fusion`);
  const fusionSpec = (generator?: string): Spec => ({ ...fusion, ...(generator ? { generator } : {}) });
  const runSpec = (phase: Phase, fusing: Fusing, seed: number, generator?: string): Spec => {
    if (fusing === 'brainfuse' && !generator)
      throw new MedformerError('INTERNAL', 'procedures: BrainFuse without a generator');
    const { fusion: fused, method, ...own } = phases[phase];
    return {
      ...common,
      ...own,
      method: { ...(method as Spec), ...(phase === 'bt' ? {} : { task: plan.task }) },
      dataset: plan.dataset,
      dimensions: [plan.dimensions],
      seed,
      ...(fusing !== 'none' && fused
        ? { fusion: { ...(fused as Spec), spec: fusionSpec(fusing === 'brainfuse' ? generator : undefined) } }
        : {}),
    };
  };
  for (const { phases: names, fusing, label } of PROCEDURES)
    for (const phase of names)
      checkRunSpec(runSpec(phase, fusing, 0, '0'.repeat(64)), `${file}: ${label}: ${phase}`);
  for (const phase of PHASES) if (!phases[phase].method) throw missingMethod(file, phase);
  return { ...plan, generator: generatorSpec, fusionSpec, runSpec };
}

function missingMethod(file: string, phase: Phase): MedformerError {
  return new MedformerError(
    'INVALID_ARGUMENT',
    `${file}: phases.${phase}.method: expected a method, found none`,
  );
}
