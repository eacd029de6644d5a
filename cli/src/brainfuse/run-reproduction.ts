import { RunState } from '@medformer/gen/trainer';
import type { ScoreReport } from '@medformer/schema';
import { checkEvaluationSpec } from '../commands/evaluate.js';
import { trainGenerator } from '../commands/generator.js';
import type { Context } from '../context.js';
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
}

/**
 * Ingests the cohort, trains the generator, then every procedure over the seeds, and scores them all on the test split at
 * once. Every step is named by its input: what was done before is found, and what was interrupted goes on.
 */
export async function runReproduction(context: Context, plan: ReproductionPlan): Promise<Reproduction> {
  await ingestCohort(context, plan);
  const generator = await trainGenerator(context, plan.dataset, plan.generator);
  context.terminal.note(`generator ${short(generator)}`);
  const told = new Set<string>();
  const entries: { label: string; protocol: 'head'; checkpoints: string[] }[] = [];
  for (const procedure of PROCEDURES) {
    context.terminal.note(`\n${procedure.label}`);
    const checkpoints: string[] = [];
    for (const seed of plan.seeds)
      checkpoints.push(await trainProcedure(context, plan, procedure, seed, generator, told));
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
  return { ...(await evaluate(context, spec)), generator };
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

/** @returns the checkpoint of the procedure's last run */
async function trainProcedure(
  context: Context,
  plan: ReproductionPlan,
  { phases, fusing }: Procedure,
  seed: number,
  generator: string,
  told: Set<string>,
): Promise<string> {
  let initial = {};
  let checkpoint = '';
  for (const phase of phases) {
    const label = `  seed ${seed}: ${phase}`;
    const begun = await startRun(context, { ...plan.runSpec(phase, fusing, seed, generator), ...initial });
    const run = await followRun(context, begun, label);
    const found = begun.state === RunState.RUN_STATE_SUCCEEDED ? ' (found, trained before)' : '';
    if (!told.has(run.run)) context.terminal.note(`${label} ${short(run.run)}: ${run.steps} steps${found}`);
    told.add(run.run);
    checkpoint = run.checkpoint;
    initial = { initial: { checkpoint } };
  }
  return checkpoint;
}
