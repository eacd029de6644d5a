import { type Run, TrainerServiceService } from '@medformer/gen/trainer';
import { LoadReport, parseRecord } from '@medformer/schema';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { count } from '../arguments.js';
import { checkpointRecords, checkpointTable } from '../checkpoints.js';
import type { Context, WithContext } from '../context.js';
import { loadedLines } from '../loaded-lines.js';
import { healthFacts, replayFacts, replayRecord } from '../run-health.js';
import { facts, seconds, short, table } from '../terminal.js';
import { cancelRun, followRun, getRun, liveLine, runRecord, stateName } from '../training.js';

/** A step is computed op by op, in a process that first has to start. */
const REPLAY_TIMEOUT_MS = 600_000;

export function registerRuns(program: Command, bind: WithContext): void {
  const runs = program
    .command('runs')
    .description('list, show, watch, suspend, cancel and replay training runs, read their logs');
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
          run.etaSeconds > 0 ? seconds(run.etaSeconds) : '',
          short(run.checkpoint),
          brief(run.reason || run.failure),
        ]);
        const head = ['run', 'method', 'state', 'step', 'ETA', 'checkpoint', 'why'];
        terminal.result(runs.map(runRecord), table(head, rows));
      }),
    );
  runs
    .command('show')
    .description('state, checkpoints and spec of a run')
    .argument('<run>', 'id of the run')
    .action(
      bind(async (context, id: string) => {
        const { run, spec, health, checkpoints, loaded, progress } = await getRun(context, id);
        const { keep } = spec as { keep?: { best?: string } };
        const sections = [
          facts([
            ['run', run.run],
            ['state', `${stateName(run.state)}, step ${run.step} of ${run.steps}`],
            ['checkpoint', run.checkpoint || 'none yet'],
            ...(run.reason === '' ? [] : [['why', run.reason] as [string, string]]),
            ...(progress ? [['newest', liveLine(progress)] as [string, string]] : []),
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
            ...(progress ? { progress } : {}),
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
  runs
    .command('suspend')
    .description('stop a run with a checkpoint and keep it queued, without a device, until it is resumed')
    .argument('<run>', 'id of the run')
    .action(
      bind(async (context, id: string) => {
        const { run } = await context.connection.unary(TrainerServiceService.suspendRun, { run: id });
        tellState(context, run);
      }),
    );
  runs
    .command('resume')
    .description('let a suspended run go on')
    .argument('<run>', 'id of the run')
    .action(
      bind(async (context, id: string) => {
        const { run } = await context.connection.unary(TrainerServiceService.resumeRun, { run: id });
        tellState(context, run);
      }),
    );
  runs
    .command('logs')
    .description('what the process that trains a run wrote')
    .argument('<run>', 'id of the run')
    .option('-f, --follow', 'go on until the run ends', false)
    .option('--tail <lines>', 'begin so many lines before the end', count, 0)
    .option('--rank <index>', "which of the run's processes", count, 0)
    .action(
      bind(async ({ connection, terminal }, run: string, options: LogsOptions) => {
        const { follow, tail: tailLines, rank } = options;
        const request = { run, follow, tailLines, rank };
        for await (const { text } of connection.serverStream(TrainerServiceService.streamRunLogs, request))
          terminal.text(text);
      }),
    );
}

/** What fits in a table; `show` and --json have it all. */
const brief = (text: string) => (text.length > 60 ? `${text.slice(0, 59)}…` : text);

interface LogsOptions {
  follow: boolean;
  tail: number;
  rank: number;
}

function tellState({ terminal }: Context, run: Run | undefined): void {
  if (!run) return;
  const why = run.reason === '' ? '' : `: ${run.reason}`;
  terminal.result(runRecord(run), `${run.run} ${stateName(run.state)} at step ${run.step}${why}`);
}
