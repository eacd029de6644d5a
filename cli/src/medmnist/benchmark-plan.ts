import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MedformerError, OrdinalLink, parseRecord } from '@medformer/schema';
import { z } from 'zod';
import { checkRunSpec } from '../commands/train.js';
import { readSpec, type Spec } from '../spec-file.js';
import { isJoint, isLabelled, PHASES, type Phase, phasesOf, REGIMES, type RegimeName } from './regimes.js';

const Settings = z.record(z.string(), z.unknown());
const Layer = z.strictObject({
  common: Settings.default({}),
  phases: z.partialRecord(z.enum(PHASES), Settings).default({}),
});
/** What holds of one set; of runs on all sets together only `task` does. */
const SetLayer = z.strictObject({
  common: Settings.default({}),
  phases: z.partialRecord(z.enum(['ssl', 'st']), Settings).default({}),
  /** Of the set's task, alone and among others. `weight` counts among others only. */
  task: z
    .strictObject({ ordinal: OrdinalLink.optional(), weight: z.number().positive().optional() })
    .default({}),
});

const Plan = z.strictObject({
  size: z.union([z.literal(28), z.literal(64), z.literal(128), z.literal(224)]).default(28),
  seeds: z.array(z.number().int()).min(1),
  regimes: z.array(z.enum(Object.keys(REGIMES) as [RegimeName])).min(1),
  /** Checkpoints of a fine-tuning run among which the validation split picks. */
  picks: z.number().int().min(1),
  /** Confidence intervals of the test scores. */
  intervals: z.unknown().optional(),
  ...Layer.shape,
  dimensions: z.partialRecord(z.enum(['2', '3']), SetLayer.omit({ task: true })).default({}),
  sets: z.record(z.string(), SetLayer).default({}),
});
type Plan = z.infer<typeof Plan>;

const Scores = z.object({ auc: z.number(), accuracy: z.number() });

/** Figures of others for one set. */
const Reference = z.object({
  title: z.string(),
  resnet18: Scores,
  resnet50: Scores,
  /** Differences of AUC, and of accuracy in points. */
  thesis: z
    .object({ 'mt-st': Scores, 'ssl-st': Scores, 'ssl-mt': Scores, sslSteps: z.number().int() })
    .optional(),
});
export type Reference = z.infer<typeof Reference>;

export interface PlannedSet {
  /** As MedMNIST calls it, which is also the task's name. */
  flag: string;
  file: string;
  /** Name of its dataset in the store. */
  dataset: string;
  dimensions: 2 | 3;
  reference: Reference;
  /** The RunSpec of a phase, as a file would have it; of a phase on all sets the same one for each. */
  spec(phase: Phase, seed: number): Spec;
}

export interface BenchmarkPlan {
  size: number;
  seeds: number[];
  regimes: RegimeName[];
  intervals: unknown;
  sets: PlannedSet[];
}

/**
 * The plan of a file, with the references that stand beside it, for sets of which there are files.
 * @param wanted `all` 18, `found`: those that have a file, or their names
 * @throws MedformerError NOT_FOUND naming the files that are missing, INVALID_ARGUMENT naming a key or a set.
 */
export async function readBenchmarkPlan(
  file: string,
  { root, wanted, overrides }: { root: string; wanted: string[]; overrides: string[] },
): Promise<BenchmarkPlan> {
  const plan = parseRecord(Plan, await readSpec(file, overrides), file);
  const referencesFile = join(dirname(file), 'references.yaml');
  const references = parseRecord(
    z.record(z.string(), Reference),
    await readSpec(referencesFile),
    referencesFile,
  );
  requireKnown(Object.keys(plan.sets), references, file);
  const flags = await flagsOf(wanted, references, (flag) => archiveOf(root, flag, plan.size));
  requireSeveral(plan.regimes, flags);
  const facts = flags.map((flag) => ({
    flag,
    file: archiveOf(root, flag, plan.size),
    dataset: `${flag}-${plan.size}`,
    dimensions: flag.endsWith('3d') ? (3 as const) : (2 as const),
    reference: references[flag]!,
  }));
  const sets = facts.map((set): PlannedSet => {
    const spec = (phase: Phase, seed: number) =>
      isJoint(phase) ? jointSpec(plan, phase, facts, seed) : setSpec(plan, phase, set, seed);
    for (const phase of phasesOf(plan.regimes))
      checkRunSpec(spec(phase, 0), `${file}: ${set.flag}, ${phase}`);
    return { ...set, spec };
  });
  return { size: plan.size, seeds: plan.seeds, regimes: plan.regimes, intervals: plan.intervals, sets };
}

type SetFacts = Pick<PlannedSet, 'flag' | 'dataset' | 'dimensions'>;

/** What the plan says of a phase on one set, and what follows from set, seed and picks. */
function setSpec(plan: Plan, phase: Phase, { flag, dataset, dimensions }: SetFacts, seed: number): Spec {
  const own = plan.sets[flag];
  const layers = [plan, plan.dimensions[`${dimensions}`], own];
  const settings = layers.flatMap((layer): Spec[] => [
    layer?.common ?? {},
    (layer?.phases as Partial<Record<Phase, Spec>> | undefined)?.[phase] ?? {},
  ]);
  const spec: Spec = { ...settings.reduce(merge, {}), dataset, dimensions: [dimensions], seed };
  if (!isLabelled(phase)) return spec;
  const { weight: _, ...task } = own?.task ?? {};
  const method = { name: 'supervised', ...(spec.method as Spec | undefined), ...task, task: flag };
  return picked({ ...spec, method }, plan.picks);
}

/** What the plan says of a phase on all sets, which are its data sets and its tasks. */
function jointSpec(plan: Plan, phase: Phase, sets: readonly SetFacts[], seed: number): Spec {
  const [dataset, ...datasets] = sets.map((set) => set.dataset);
  const spec: Spec = {
    ...merge(plan.common, plan.phases[phase] ?? {}),
    dataset,
    ...(datasets.length > 0 ? { datasets } : {}),
    dimensions: [...new Set(sets.map(({ dimensions }) => dimensions))].sort(),
    seed,
  };
  if (!isLabelled(phase)) return spec;
  const tasks = sets.map(({ flag }) => ({ ...plan.sets[flag]?.task, task: flag }));
  return picked(
    { ...spec, method: { name: 'multi-task', ...(spec.method as Spec | undefined), tasks } },
    plan.picks,
  );
}

/** With so many checkpoints, all of which stay. Steps that are no number are refused with the rest of the spec. */
function picked(spec: Spec, picks: number): Spec {
  const { steps } = spec;
  if (typeof steps !== 'number') return spec;
  const every = Math.max(1, Math.ceil(steps / picks));
  return { ...spec, checkpointEvery: every, keep: { every } };
}

function requireSeveral(regimes: readonly RegimeName[], flags: readonly string[]): void {
  const joint = regimes.filter((regime) => REGIMES[regime].some(isJoint));
  if (joint.length === 0 || flags.length > 1) return;
  throw new MedformerError(
    'INVALID_ARGUMENT',
    `regimes ${joint.join(', ')} train on several sets together; expected more than ${flags[0]}, or --set 'regimes=[st, ssl-st]'`,
  );
}

function archiveOf(root: string, flag: string, size: number): string {
  return join(root, size === 28 ? `${flag}.npz` : `${flag}_${size}.npz`);
}

async function flagsOf(
  wanted: string[],
  references: Record<string, Reference>,
  archive: (flag: string) => string,
): Promise<string[]> {
  const all = Object.keys(references);
  const named = wanted.flatMap((word) => (word === 'all' || word === 'found' ? all : [word]));
  requireKnown(named, references, '--sets');
  const missing: string[] = [];
  const found: string[] = [];
  for (const flag of all.filter((known) => named.includes(known))) {
    const there = await access(archive(flag)).then(
      () => true,
      () => false,
    );
    (there ? found : missing).push(flag);
  }
  if (found.length > 0 && (missing.length === 0 || wanted.includes('found'))) return found;
  throw new MedformerError(
    'NOT_FOUND',
    `no file ${missing.map(archive).join(', ')}; name the sets there are with --sets, or --sets found`,
  );
}

function requireKnown(names: string[], references: Record<string, Reference>, where: string): void {
  const unknown = names.find((name) => !Object.hasOwn(references, name));
  if (unknown === undefined) return;
  const known = Object.keys(references).join(', ');
  throw new MedformerError('INVALID_ARGUMENT', `${where}: ${unknown} is none of MedMNIST's sets: ${known}`);
}

/** Mappings are merged key by key, anything else is replaced; a method of another name is replaced whole. */
function merge(base: Spec, over: Spec): Spec {
  const merged: Spec = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = base[key];
    const sameKind =
      isMapping(before) && isMapping(value) && (value.name === undefined || value.name === before.name);
    merged[key] = sameKind ? merge(before, value) : value;
  }
  return merged;
}

function isMapping(value: unknown): value is Spec {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
