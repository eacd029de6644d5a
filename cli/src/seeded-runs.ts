import type { Run, RunResult } from '@medformer/gen/trainer';
import { MedformerError, type MetricSummary } from '@medformer/schema';
import type { Context } from './context.js';
import type { Schedule } from './schedule.js';
import type { Spec } from './spec-file.js';
import { short, table } from './terminal.js';
import { getRun, runRecord, startRun, stateName } from './training.js';

export interface SeededSpec {
  seed: number;
  spec: Spec;
}

export interface SeededRun {
  seed: number;
  run: Run;
  result: RunResult | undefined;
}

/**
 * One spec per seed of `seeds`; undefined where the file has no such key. A method that draws few labels draws them by
 * the seed too, unless it says by which: then equal seeds of an evaluation mean equal images.
 * @throws MedformerError INVALID_ARGUMENT naming the key
 */
export function seededSpecs({ seeds, ...spec }: Spec, what: string): SeededSpec[] | undefined {
  if (seeds === undefined) return undefined;
  const refuse = (message: string) => new MedformerError('INVALID_ARGUMENT', `${what}: ${message}`);
  if (!Array.isArray(seeds) || seeds.length === 0 || !seeds.every((seed) => Number.isSafeInteger(seed)))
    throw refuse('seeds: expected a list of whole numbers, e.g. [0, 1, 2]');
  if (new Set(seeds).size < seeds.length) throw refuse('seeds: each one once: equal seeds are one run');
  if (spec.seed !== undefined) throw refuse('seed: already among seeds');
  return seeds.map((seed: number) => ({
    seed,
    spec: { ...spec, seed, method: labelledBy(spec.method, seed) },
  }));
}

/** Trains them side by side as the schedule has room; each attaches, resumes or is found finished as a single run is. */
export async function trainSeeds(schedule: Schedule, specs: readonly SeededSpec[]): Promise<SeededRun[]> {
  const runs = await schedule.all(
    specs.map(({ seed, spec }) =>
      schedule.attempt(`seed ${seed}`, async () => {
        const { run, result } = await getRun(
          schedule.context,
          (await schedule.train(spec, `seed ${seed}`)).run,
        );
        return { seed, run, result };
      }),
    ),
  );
  return runs.filter((run) => run !== undefined);
}

/** Starts them without waiting for one to end. */
export async function startSeeds(context: Context, specs: readonly SeededSpec[]): Promise<SeededRun[]> {
  const runs: SeededRun[] = [];
  for (const { seed, spec } of specs) {
    const run = await startRun(context, spec);
    const { result } = await getRun(context, run.run);
    runs.push({ seed, run, result });
  }
  return runs;
}

/** Loss and online scores by name, over all runs that have them. */
export function summariseSeeds(runs: readonly SeededRun[]): Record<string, MetricSummary> {
  const values = new Map<string, number[]>();
  for (const { result } of runs)
    for (const [name, value] of metricsOf(result)) values.set(name, [...(values.get(name) ?? []), value]);
  return Object.fromEntries([...values].map(([name, found]) => [name, summarise(found)]));
}

export function seedsRecord(runs: readonly SeededRun[]) {
  return {
    runs: runs.map(({ seed, run, result }) => ({
      seed,
      ...runRecord(run),
      metrics: Object.fromEntries(metricsOf(result)),
    })),
    summary: summariseSeeds(runs),
  };
}

/** One row per seed, and mean ± standard deviation below. */
export function seedsTable(runs: readonly SeededRun[]): string {
  const summary = summariseSeeds(runs);
  const names = Object.keys(summary);
  const rows = runs.map(({ seed, run, result }) => {
    const metrics = new Map(metricsOf(result));
    const shown = names.map((name) => metrics.get(name)?.toFixed(4) ?? '');
    return [String(seed), short(run.run), stateName(run.state), `${run.step}/${run.steps}`, ...shown];
  });
  const means = names.map((name) => {
    const { mean, std, values } = summary[name]!;
    return values.length === 1 ? mean.toFixed(4) : `${mean.toFixed(4)} ± ${std.toFixed(4)}`;
  });
  const head = ['seed', 'run', 'state', 'step', ...names];
  return table(head, names.length > 0 ? [...rows, ['mean ± std', '', '', '', ...means]] : rows);
}

function labelledBy(method: unknown, seed: number): unknown {
  if (typeof method !== 'object' || method === null) return method;
  // Of several tasks each draws its own.
  if ('tasks' in method && Array.isArray(method.tasks))
    return { ...method, tasks: method.tasks.map((task: unknown) => labelledBy(task, seed)) };
  const draws = ('labelsPerClass' in method || 'labelFraction' in method) && !('labelSeed' in method);
  return draws ? { ...method, labelSeed: seed } : method;
}

function metricsOf(result: RunResult | undefined): [string, number][] {
  if (!result) return [];
  return [
    ['loss', result.loss],
    ...result.online.flatMap(({ protocol, accuracy, auc }): [string, number][] => [
      [`${protocol} accuracy`, accuracy],
      [`${protocol} AUC`, auc],
    ]),
  ];
}

/** With the sample standard deviation (n - 1), 0 for one value, as score reports have it. */
function summarise(values: number[]): MetricSummary {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, std: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0, values };
}
