import { RunState } from '@medformer/gen/trainer';
import { MedformerError, type ScoreReport } from '@medformer/schema';
import { checkEvaluationSpec } from '../commands/evaluate.js';
import { trainGenerator } from '../commands/generator.js';
import type { Context } from '../context.js';
import { type MeasuredFusions, measureFusions } from '../fusion-quality.js';
import { ingest } from '../ingest.js';
import { evaluate } from '../scores.js';
import { short } from '../terminal.js';
import { followRun, startRun } from '../training.js';
import { CLAIMS, PROCEDURES, type Procedure } from './procedures.js';
import type { ReproductionPlan } from './reproduction-plan.js';

export interface Reproduction {
  report: string;
  /** A row per procedure, in their order. */
  record: ScoreReport;
  generator: string;
  /** Of raw fusions, then of repaired ones. */
  qualities: MeasuredFusions[];
}

/**
 * Ingests the cohort, trains the generator, then every procedure over the seeds, scores them all on the test split at
 * once and measures the fusions. Every step is named by its input: what was done before is found, and what was interrupted goes on.
 */
export async function runReproduction(context: Context, plan: ReproductionPlan): Promise<Reproduction> {
  await ingestCohort(context, plan);
  const generator = await trainGenerator(context, plan.dataset, plan.generator);
  context.terminal.note(`generator ${short(generator)}`);
  const told = new Set<string>();
  let encoder: string | undefined;
  const entries: { label: string; protocol: 'head'; checkpoints: string[] }[] = [];
  for (const procedure of PROCEDURES) {
    context.terminal.note(`\n${procedure.label}`);
    const checkpoints: string[] = [];
    for (const seed of plan.seeds) {
      const trained = await trainProcedure(context, plan, procedure, seed, generator, told);
      checkpoints.push(trained.at(-1)!);
      // Of the first procedure that has one, which has seen no fusion, and of the first seed.
      encoder ??= trained[procedure.phases.indexOf('bt')];
    }
    entries.push({ label: procedure.label, protocol: 'head', checkpoints });
  }
  const spec = {
    title: 'BrainFuse: the six procedures',
    dataset: plan.dataset,
    task: plan.task,
    seeds: plan.seeds,
    dimensions: [plan.dimensions],
    entries,
    intervals: plan.intervals ?? {},
    compare: CLAIMS.map(([worse, better]) => [better, worse]),
  };
  checkEvaluationSpec(spec, 'evaluation');
  const scored = await evaluate(context, spec);
  return { ...scored, generator, qualities: await measureBoth(context, plan, generator, encoder) };
}

/** In the feature space of Barlow Twins without fusions, which neither kind of fusion has shaped. */
async function measureBoth(
  context: Context,
  plan: ReproductionPlan,
  generator: string,
  checkpoint: string | undefined,
): Promise<MeasuredFusions[]> {
  if (checkpoint === undefined) throw new MedformerError('INTERNAL', 'procedures: none has Barlow Twins');
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
  context: Context,
  plan: ReproductionPlan,
  { phases, fusing }: Procedure,
  seed: number,
  generator: string,
  told: Set<string>,
): Promise<string[]> {
  let initial = {};
  const checkpoints: string[] = [];
  for (const phase of phases) {
    const label = `  seed ${seed}: ${phase}`;
    const begun = await startRun(context, { ...plan.runSpec(phase, fusing, seed, generator), ...initial });
    const run = await followRun(context, begun, label);
    const found = begun.state === RunState.RUN_STATE_SUCCEEDED ? ' (found, trained before)' : '';
    if (!told.has(run.run)) context.terminal.note(`${label} ${short(run.run)}: ${run.steps} steps${found}`);
    told.add(run.run);
    checkpoints.push(run.checkpoint);
    initial = { initial: { checkpoint: run.checkpoint } };
  }
  return checkpoints;
}
