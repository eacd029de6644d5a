import type { ScoreReport } from '@medformer/schema';
import { checkEvaluationSpec } from '../commands/evaluate.js';
import { trainGenerator } from '../commands/generator.js';
import type { Context } from '../context.js';
import { type MeasuredFusions, measureFusions } from '../fusion-quality.js';
import { ingest } from '../ingest.js';
import { allOrNone, type Schedule } from '../schedule.js';
import { evaluate } from '../scores.js';
import { short } from '../terminal.js';
import { CLAIMS, PROCEDURES, type Procedure } from './procedures.js';
import type { ReproductionPlan } from './reproduction-plan.js';

export interface Reproduction {
  report: string;
  /** A row per procedure that was trained, in their order. */
  record: ScoreReport;
  generator: string;
  /** Of raw fusions, then of repaired ones. */
  qualities: MeasuredFusions[];
}

/**
 * Ingests the cohort, trains the generator, then every procedure over the seeds, scores them all on the test split at
 * once and measures the fusions. Every step is named by its input: what was done before is found, and what was interrupted goes on.
 * A procedure of which a run failed has no row, and is named among the schedule's failures.
 */
export async function runReproduction(schedule: Schedule, plan: ReproductionPlan): Promise<Reproduction> {
  const { context } = schedule;
  await ingestCohort(context, plan);
  const generator = await trainGenerator(context, plan.dataset, plan.generator);
  context.terminal.note(`generator ${short(generator)}`);
  const trained = await schedule.all(
    PROCEDURES.map(async (procedure, at) => {
      const seeds = await Promise.all(
        plan.seeds.map((seed, index) =>
          schedule.attempt(`${procedure.label}, seed ${seed}`, () =>
            trainProcedure(schedule, plan, procedure, seed, generator, at * plan.seeds.length + index),
          ),
        ),
      );
      return { procedure, seeds };
    }),
  );
  const whole = trained.flatMap(({ procedure, seeds }) => {
    const runs = allOrNone(seeds);
    return runs ? [{ procedure, runs }] : [];
  });
  if (whole.length === 0) schedule.throwFailures();
  const position = (index: number) => whole.findIndex(({ procedure }) => procedure === PROCEDURES[index]);
  const spec = {
    title: 'BrainFuse: the six procedures',
    dataset: plan.dataset,
    task: plan.task,
    seeds: plan.seeds,
    dimensions: [plan.dimensions],
    entries: whole.map(({ procedure: { label }, runs }) => ({
      label,
      protocol: 'head',
      checkpoints: runs.map((checkpoints) => checkpoints.at(-1)!),
    })),
    intervals: plan.intervals ?? {},
    compare: CLAIMS.map(([worse, better]) => [position(better), position(worse)]).filter((pair) =>
      pair.every((at) => at >= 0),
    ),
  };
  checkEvaluationSpec(spec, 'evaluation');
  const scored = await evaluate(context, spec);
  // Of the first procedure that has one, which has seen no fusion, and of the first seed.
  const encoder = trained
    .map(({ procedure, seeds }) => seeds[0]?.[procedure.phases.indexOf('bt')])
    .find((checkpoint) => checkpoint !== undefined);
  return { ...scored, generator, qualities: await measureBoth(context, plan, generator, encoder) };
}

/** In the feature space of Barlow Twins without fusions, which neither kind of fusion has shaped. */
async function measureBoth(
  context: Context,
  plan: ReproductionPlan,
  generator: string,
  checkpoint: string | undefined,
): Promise<MeasuredFusions[]> {
  if (checkpoint === undefined) return [];
  const { dataset, dimensions, measured } = plan;
  const qualities: MeasuredFusions[] = [];
  for (const spec of [plan.fusionSpec(), plan.fusionSpec(generator)])
    qualities.push(await measureFusions(context, { dataset, spec, count: measured, checkpoint, dimensions }));
  return qualities;
}

async function ingestCohort(context: Context, { cohort, dataset }: ReproductionPlan): Promise<void> {
  if (!cohort) return;
  const { seed, groups = 0, perGroup, imageShape = [], volumeShape = [] } = cohort;
  const { levels = [], sequences = [], volumes = false } = cohort;
  const [train, val, test] = perGroup ?? [0, 0, 0];
  const { manifest, images } = await ingest(context, {
    name: dataset,
    source: {
      $case: 'phantom',
      value: {
        seed: BigInt(seed),
        patients: 0,
        volumePatients: 0,
        imageShape,
        volumeShape,
        groups: { groups, train, val, test, levels, sequences, volumes },
      },
    },
    options: undefined,
  });
  context.terminal.note(`${dataset} ${short(manifest)}: ${images} images`);
}

/** @returns the checkpoints of the procedure's runs, by phase */
async function trainProcedure(
  schedule: Schedule,
  plan: ReproductionPlan,
  { label, phases, fusing }: Procedure,
  seed: number,
  generator: string,
  place: number,
): Promise<string[]> {
  let initial = {};
  const checkpoints: string[] = [];
  for (const phase of phases) {
    const spec = { ...plan.runSpec(phase, fusing, seed, generator), ...initial };
    const { checkpoint } = await schedule.train(spec, `${label}, seed ${seed}: ${phase}`, place);
    checkpoints.push(checkpoint);
    initial = { initial: { checkpoint } };
  }
  return checkpoints;
}
