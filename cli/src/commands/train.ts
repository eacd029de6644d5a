import { RunSpec, sha256 } from '@medformer/schema';
import type { Command } from 'commander';
import { collect, positive } from '../arguments.js';
import { resolveCheckpoint } from '../checkpoints.js';
import type { Context, WithContext } from '../context.js';
import { openSchedule, PARALLEL_FLAG } from '../schedule.js';
import { seededSpecs, seedsRecord, seedsTable, startSeeds, trainSeeds } from '../seeded-runs.js';
import { checkSpec, readSpec, type Spec } from '../spec-file.js';
import { facts } from '../terminal.js';
import { followRun, getRun, onlineLine, runRecord, startRun, stateName } from '../training.js';

export function registerTrain(program: Command, bind: WithContext): void {
  program
    .command('train')
    .description('start, resume or find a training run')
    .argument('<spec>', 'YAML file of a RunSpec')
    .option('--set <key=value>', 'override a key of the spec, e.g. optimiser.learningRate=3e-4', collect, [])
    .option('--detach', 'return at once; follow with `medformer runs watch`', false)
    .option(...PARALLEL_FLAG, positive)
    .addHelpText(
      'after',
      `
Examples:
  $ medformer train experiments/demo/simclr.yaml
  $ medformer train experiments/demo/from-scratch.yaml --set seed=1 --set method.labelSeed=1
  $ medformer train experiments/demo/simclr.yaml --set 'seeds=[0, 1, 2]'
  $ medformer train experiments/demo/from-scratch.yaml --set initial.checkpoint=run=$RUN@best
  $ medformer train experiments/demo/simclr.yaml --detach --json | jq -r .run

The same spec is the same run: started twice it attaches, interrupted it resumes, finished it is found.
A spec with seeds in place of seed is one run per seed, --parallel of them at once, with mean and spread at the end.`,
    )
    .action(
      bind(async (context, file: string, options: { set: string[]; detach: boolean; parallel?: number }) => {
        const spec = await withInitial(context, await readSpec(file, options.set));
        const seeded = seededSpecs(spec, file);
        if (seeded) {
          for (const { spec: each } of seeded) checkRunSpec(each, file);
          if (options.detach) {
            const runs = await startSeeds(context, seeded);
            context.terminal.result(seedsRecord(runs), seedsTable(runs));
            return;
          }
          const schedule = await openSchedule(context, options.parallel);
          const runs = await trainSeeds(schedule, seeded);
          context.terminal.result(seedsRecord(runs), seedsTable(runs));
          schedule.throwFailures();
          return;
        }
        checkRunSpec(spec, file);
        const started = await startRun(context, spec);
        const run = options.detach ? started : await followRun(context, started, started.method);
        const { result } = await getRun(context, run.run);
        const online = result ? onlineLine(result.online, result.onlineStep) : '';
        context.terminal.result(
          { ...runRecord(run), ...(result ? { result } : {}) },
          facts([
            ['run', run.run],
            ['state', `${stateName(run.state)}, step ${run.step} of ${run.steps}`],
            ...(online === '' ? [] : [['online', online] as [string, string]]),
            ['checkpoint', run.checkpoint || 'none yet'],
          ]),
        );
      }),
    );
}

/** An initial checkpoint may be named by its run, as in an evaluation. */
async function withInitial(context: Context, spec: Spec): Promise<Spec> {
  const { initial } = spec as { initial?: Spec };
  if (typeof initial?.checkpoint !== 'string') return spec;
  return {
    ...spec,
    initial: { ...initial, checkpoint: await resolveCheckpoint(context, initial.checkpoint) },
  };
}

/** Data sets may be names here; the service finds their manifests and fills in its own code version. */
export function checkRunSpec(spec: Spec, what: string): void {
  const standIn = (named: unknown) => (typeof named === 'string' ? sha256(named) : named);
  const dataset = typeof spec.dataset === 'string' ? { dataset: standIn(spec.dataset) } : {};
  const datasets = Array.isArray(spec.datasets) ? { datasets: spec.datasets.map(standIn) } : {};
  checkSpec(RunSpec, spec, { ...dataset, ...datasets, codeVersion: 'unset' }, what);
}
