import { type LabelDraw, parseRecord, Slug } from '@medformer/schema';
import { z } from 'zod';
import { resolveCheckpoint } from '../checkpoints.js';
import { checkRunSpec } from '../commands/train.js';
import { allOrNone, type Schedule } from '../schedule.js';
import { readSpec, type Spec } from '../spec-file.js';

/** How a source of weights is judged: frozen by a probe or kNN, or trained further on the labels. */
export const ProtocolName = z.enum(['linear-probe', 'knn', 'fine-tune']);
export type ProtocolName = z.infer<typeof ProtocolName>;

/** Keys of a RunSpec; data set, task, labels, seed and start are the protocol's own. */
export const RunSettings = z.record(z.string(), z.unknown());

/** What every protocol's plan says. */
export const PROTOCOL_PLAN = {
  title: z.string().min(1).optional(),
  dataset: z.string().min(1),
  task: Slug,
  dimensions: z
    .array(z.union([z.literal(2), z.literal(3)]))
    .min(1)
    .default([2]),
  seeds: z.array(z.number().int()).min(1).default([0, 1, 2]),
  protocols: z.array(ProtocolName).min(1).default(['linear-probe', 'knn', 'fine-tune']),
  /** Supervised run of `fine-tune`, and from scratch. */
  fineTune: RunSettings.optional(),
  /** Confidence intervals of every score; none when absent. */
  intervals: z.unknown().optional(),
};

export interface ProtocolPlan {
  dataset: string;
  task: string;
  dimensions: (2 | 3)[];
  seeds: number[];
  protocols: ProtocolName[];
  fineTune?: Spec | undefined;
  intervals?: unknown;
}

/** A plan's file, `options` over its keys. */
export async function readProtocolPlan<Plan>(
  schema: z.ZodType<Plan>,
  file: string,
  overrides: readonly string[],
  options: Spec,
): Promise<Plan> {
  return parseRecord(schema, { ...(await readSpec(file, overrides)), ...options }, file);
}

/** Where weights come from: a run to be trained, or a checkpoint that is there, as an evaluation names one. */
export type WeightSource = { label: string } & ({ run: Spec } | { checkpoint: string });

/** Undefined where it failed, which is then among the schedule's failures. */
export async function checkpointOf(schedule: Schedule, source: WeightSource): Promise<string | undefined> {
  return schedule.attempt(source.label, async () => {
    if ('checkpoint' in source) return String(await resolveCheckpoint(schedule.context, source.checkpoint));
    checkRunSpec(source.run, source.label);
    return (await schedule.train(source.run, source.label)).checkpoint;
  });
}

/** A supervised run on the labels of one draw, from a checkpoint or from scratch. */
export function fineTuneSpec(
  { dataset, task, dimensions, fineTune = {} }: ProtocolPlan,
  {
    seed,
    draw,
    checkpoint,
    modalities,
  }: { seed: number; draw: LabelDraw; checkpoint?: string; modalities?: string[] },
): Spec {
  const labels = Object.fromEntries(Object.entries(draw).filter(([, value]) => value !== undefined));
  const method = { name: 'supervised', ...(fineTune.method as Spec | undefined), task };
  return {
    ...fineTune,
    dataset,
    dimensions,
    ...(modalities ? { modalities } : {}),
    seed,
    method: { ...method, ...labels, ...(Object.keys(labels).length > 0 ? { labelSeed: seed } : {}) },
    ...(checkpoint === undefined ? {} : { initial: { checkpoint } }),
  };
}

/**
 * One such run per seed.
 * @returns their checkpoints, in the order of the seeds; undefined where one failed
 */
export async function fineTuned(
  schedule: Schedule,
  plan: ProtocolPlan,
  label: string,
  of: { draw: LabelDraw; checkpoint?: string; modalities?: string[] },
): Promise<string[] | undefined> {
  const checkpoints = await Promise.all(
    plan.seeds.map((seed) => {
      const what = `${label}, seed ${seed}`;
      return schedule.attempt(what, async () => {
        const spec = fineTuneSpec(plan, { ...of, seed });
        checkRunSpec(spec, label);
        return (await schedule.train(spec, what)).checkpoint;
      });
    }),
  );
  return allOrNone(checkpoints);
}
