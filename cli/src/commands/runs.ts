import { TrainerServiceService } from '@medformer/gen/trainer';
import { LoadReport, parseRecord } from '@medformer/schema';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { checkpointRecords, checkpointTable } from '../checkpoints.js';
import type { WithContext } from '../context.js';
import { loadedLines } from '../loaded-lines.js';
import { healthFacts, replayFacts, replayRecord } from '../run-health.js';
import { facts, short, table } from '../terminal.js';
import { cancelRun, followRun, getRun, runRecord, stateName } from '../training.js';

/** A step is computed op by op, in a process that first has to start. */
const REPLAY_TIMEOUT_MS = 600_000;

export function registerRuns(program: Command, bind: WithContext): void {
  const runs = program.command('runs').description('list, show, watch, replay and cancel training runs');
  runs
    .command('ls')
    .description('every run')
    .action(
      bind(async ({ connection, terminal }) => {
        const { runs } = await connection.unary(TrainerServiceService.listRuns, {});
        const rows = runs.map((run) => [
          short(run.run),
          run.method,
          stateName(run.state),
          `${run.step}/${run.steps}`,
          short(run.checkpoint),
        ]);
        terminal.result(runs.map(runRecord), table(['run', 'method', 'state', 'step', 'checkpoint'], rows));
      }),
    );
  runs
    .command('show')
    .description('state, checkpoints and spec of a run')
    .argument('<run>', 'id of the run')
    .action(
      bind(async (context, id: string) => {
        const { run, spec, health, checkpoints, loaded } = await getRun(context, id);
        const { keep } = spec as { keep?: { best?: string } };
        const sections = [
          facts([
            ['run', run.run],
            ['state', `${stateName(run.state)}, step ${run.step} of ${run.steps}`],
            ['checkpoint', run.checkpoint || 'none yet'],
            ...(run.failure === '' ? [] : [['failure', run.failure] as [string, string]]),
            ...healthFacts(health),
          ]),
          ...(loaded ? [loadedLines(parseRecord(LoadReport, loaded, 'load report')).join('\n')] : []),
          ...(checkpoints.length > 0 ? [checkpointTable(checkpoints, keep?.best)] : []),
          stringify(spec).trimEnd(),
        ];
        context.terminal.result(
          {
            run: runRecord(run),
            spec,
            checkpoints: checkpointRecords(checkpoints),
            ...(loaded ? { loaded } : {}),
            ...(health ? { health } : {}),
          },
          sections.join('\n\n'),
        );
      }),
    );
  runs
    .command('watch')
    .description('follow a run until it ends; Ctrl-C stops the run')
    .argument('<run>', 'id of the run')
    .action(
      bind(async (context, id: string) => {
        const { run } = await getRun(context, id);
        const ended = await followRun(context, run, run.method);
        context.terminal.result(runRecord(ended), `${ended.run} ${stateName(ended.state)}`);
      }),
    );
  runs
    .command('replay')
    .description(
      "compute a run's step without a finite loss or gradient again, and say where that comes from",
    )
    .argument('<run>', 'id of the run')
    .option('--failed-step <address>', "which one (default: the run's last)", '')
    .action(
      bind(async ({ connection, terminal }, run: string, { failedStep }: { failedStep: string }) => {
        const replayed = await connection.unary(
          TrainerServiceService.replayFailedStep,
          { run, failedStep },
          { timeoutMs: REPLAY_TIMEOUT_MS },
        );
        terminal.result(replayRecord(replayed), replayFacts(replayed));
      }),
    );
  runs
    .command('cancel')
    .description('stop a run at its next step; training the same spec again resumes it')
    .argument('<run>', 'id of the run')
    .action(
      bind(async (context, id: string) => {
        const run = await cancelRun(context, id);
        context.terminal.result(runRecord(run), `${run.run} ${stateName(run.state)} at step ${run.step}`);
      }),
    );
}
