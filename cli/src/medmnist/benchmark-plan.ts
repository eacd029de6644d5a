import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MedformerError, parseRecord } from '@medformer/schema';
import { z } from 'zod';
import { checkRunSpec } from '../commands/train.js';
import { readSpec, type Spec } from '../spec-file.js';
import { type Phase, REGIMES, type RegimeName } from './regimes.js';

const Settings = z.record(z.string(), z.unknown());
const Layer = z.strictObject({
  common: Settings.default({}),
  phases: z.partialRecord(z.enum(['ssl', 'st']), Settings).default({}),
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
  dimensions: z.partialRecord(z.enum(['2', '3']), Layer).default({}),
  sets: z.record(z.string(), Layer).default({}),
});

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
  /** The RunSpec of a phase, as a file would have it. */
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
  const sets = flags.map((flag): PlannedSet => {
    const dimensions = flag.endsWith('3d') ? 3 : 2;
    const set = {
      flag,
      file: archiveOf(root, flag, plan.size),
      dataset: `${flag}-${plan.size}`,
      dimensions,
      reference: references[flag]!,
    } as const;
    const layers = [plan, plan.dimensions[`${dimensions}`], plan.sets[flag]];
    const spec = (phase: Phase, seed: number): Spec => {
      const settings = layers.flatMap((layer) => [layer?.common ?? {}, layer?.phases[phase] ?? {}]);
      return phaseSpec(phase, set, seed, plan.picks, settings.reduce(merge, {}));
    };
    for (const phase of new Set(plan.regimes.flatMap((regime) => REGIMES[regime])))
      checkRunSpec(spec(phase, 0), `${file}: ${flag}, ${phase}`);
    return { ...set, spec };
  });
  return { size: plan.size, seeds: plan.seeds, regimes: plan.regimes, intervals: plan.intervals, sets };
}

/** What the plan says of the phase, and what follows from set, seed and picks. */
function phaseSpec(
  phase: Phase,
  { flag, dataset, dimensions }: Pick<PlannedSet, 'flag' | 'dataset' | 'dimensions'>,
  seed: number,
  picks: number,
  settings: Spec,
): Spec {
  const spec: Spec = { ...settings, dataset, dimensions: [dimensions], seed };
  if (phase === 'ssl') return spec;
  const { steps } = spec;
  const every = typeof steps === 'number' ? Math.max(1, Math.ceil(steps / picks)) : undefined;
  return {
    ...spec,
    method: { name: 'supervised', ...(spec.method as Spec | undefined), task: flag },
    ...(every === undefined ? {} : { checkpointEvery: every }),
    keep: { last: picks },
  };
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
