import { setTimeout } from 'node:timers/promises';
import {
  type GetRunResponse,
  type OnlineScore,
  type Run,
  RunState,
  TrainerServiceService,
  type TrainProgress,
  type WatchRunResponse,
} from '@medformer/gen/trainer';
import { LoadReport, MedformerError, parseRecord } from '@medformer/schema';
import type { Context } from './context.js';
import { loadedLines } from './loaded-lines.js';
import { HealthNotes } from './run-health.js';
import type { Spec } from './spec-file.js';
import { seconds, short } from './terminal.js';

const STATE_NAMES: Record<number, string> = {
  [RunState.RUN_STATE_QUEUED]: 'queued',
  [RunState.RUN_STATE_RUNNING]: 'running',
  [RunState.RUN_STATE_SUCCEEDED]: 'succeeded',
  [RunState.RUN_STATE_FAILED]: 'failed',
  [RunState.RUN_STATE_CANCELLED]: 'cancelled',
  [RunState.RUN_STATE_INTERRUPTED]: 'interrupted',
};

const ENDED = new Set([
  RunState.RUN_STATE_SUCCEEDED,
  RunState.RUN_STATE_FAILED,
  RunState.RUN_STATE_CANCELLED,
  RunState.RUN_STATE_INTERRUPTED,
]);

export function stateName(state: RunState): string {
  return STATE_NAMES[state] ?? 'unknown';
}

/** A run as --json shows it: its state by name. */
export function runRecord(run: Run) {
  return { ...run, state: stateName(run.state), step: Number(run.step), steps: Number(run.steps) };
}

/** Starts, attaches to or finds the run of this spec. */
export async function startRun({ connection }: Context, spec: Spec): Promise<Run> {
  const { run } = await connection.unary(TrainerServiceService.startRun, { spec });
  if (run === undefined) throw new MedformerError('DATA_LOSS', 'the trainer answered without a run');
  return run;
}

/** A run with all that the trainer knows of it. */
export interface KnownRun extends GetRunResponse {
  run: Run;
  spec: Spec;
}

export async function getRun({ connection }: Context, run: string): Promise<KnownRun> {
  const answer = await connection.unary(TrainerServiceService.getRun, { run });
  if (answer.run === undefined) throw new MedformerError('NOT_FOUND', `run ${run}: not found`);
  return { ...answer, run: answer.run, spec: answer.spec ?? {} };
}

/** Starts, attaches to or finds the run of this spec, follows it to its end and says in a line which run it was. */
export async function trainToEnd(context: Context, spec: Spec, label: string): Promise<Run> {
  const begun = await startRun(context, spec);
  const run = await followRun(context, begun, label);
  const found = begun.state === RunState.RUN_STATE_SUCCEEDED ? ' (found, trained before)' : '';
  context.terminal.note(`${label} ${short(run.run)}: ${run.steps} steps${found}`);
  return run;
}

/**
 * Shows a run live until it ends. Ctrl-C stops the run at its next step and says how to go on.
 * @throws MedformerError CANCELLED after Ctrl-C; ABORTED when the run failed or lost its process.
 */
export async function followRun(context: Context, run: Run, label: string): Promise<Run> {
  if (ENDED.has(run.state)) return finished(run);
  const { terminal, signal } = context;
  const progress = terminal.progress(label);
  const health = new HealthNotes();
  let last = run;
  let told = '';
  try {
    for await (const { event } of watched(context, run.run)) {
      if (event?.$case === 'progress') {
        progress.update(Number(event.value.step), Number(event.value.steps), liveLine(event.value));
      } else if (event?.$case === 'health') {
        progress.stop();
        for (const line of health.after(event.value)) terminal.note(line);
      } else if (event?.$case === 'loaded') {
        progress.stop();
        for (const line of loadedLines(parseRecord(LoadReport, event.value, 'load report')))
          terminal.note(line);
      } else if (event?.$case === 'state') {
        last = event.value;
        if (last.reason !== '' && last.reason !== told)
          terminal.note(`${stateName(last.state)}: ${last.reason}`);
        told = last.reason;
        if (ENDED.has(last.state)) break;
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    progress.stop();
    const stopped = await cancelRun(context, run.run);
    throw new MedformerError(
      'CANCELLED',
      `stopped at step ${stopped.step} of ${stopped.steps}; the same command goes on from the last checkpoint`,
      { cause: error },
    );
  } finally {
    progress.stop();
  }
  if (!ENDED.has(last.state)) last = (await getRun(context, run.run)).run;
  return finished(last);
}

/** Pauses before a watch whose connection dropped is tried again, until the next event. */
const WATCH_AGAIN_AFTER_MS = [500, 1000, 2000, 4000, 8000];

/** A run's events. The run is the service's: when the connection drops, as on a stalled machine, it goes on, and so does this. */
async function* watched(
  { connection, signal }: Context,
  run: string,
): AsyncGenerator<WatchRunResponse, void, undefined> {
  let dropped = 0;
  for (;;) {
    try {
      for await (const response of connection.serverStream(TrainerServiceService.watchRun, { run })) {
        dropped = 0;
        yield response;
      }
      return;
    } catch (error) {
      const pause = WATCH_AGAIN_AFTER_MS[dropped];
      const again = error instanceof MedformerError && error.code === 'UNAVAILABLE' && !signal.aborted;
      if (!again || pause === undefined) throw error;
      dropped += 1;
      await setTimeout(pause, undefined, { signal });
    }
  }
}

/** Works after an interrupt too. */
export async function cancelRun({ connection }: Context, run: string): Promise<Run> {
  const cleanUp = connection.afterInterrupt();
  try {
    const answer = await cleanUp.unary(TrainerServiceService.cancelRun, { run });
    if (answer.run === undefined) throw new MedformerError('NOT_FOUND', `run ${run}: not found`);
    return answer.run;
  } finally {
    cleanUp.close();
  }
}

function finished(run: Run): Run {
  if (run.state === RunState.RUN_STATE_SUCCEEDED) return run;
  const why = run.failure === '' ? '' : `: ${run.failure}`;
  const failed = run.failureCode === 'FAILED_PRECONDITION' ? run.failureCode : 'ABORTED';
  const code = run.state === RunState.RUN_STATE_CANCELLED ? 'CANCELLED' : failed;
  throw new MedformerError(
    code,
    `run ${run.run.slice(0, 12)} ${stateName(run.state)} at step ${run.step} of ${run.steps}${why}`,
  );
}

/** `kNN 61.3 %, linear probe 70.1 % at step 50`; empty before the first online evaluation. */
export function onlineLine(online: readonly OnlineScore[], step: bigint): string {
  const names: Record<string, string> = { knn: 'kNN', 'linear-probe': 'linear probe' };
  const scores = online.map(
    ({ protocol, accuracy }) => `${names[protocol] ?? protocol} ${(100 * accuracy).toFixed(1)} %`,
  );
  return scores.length === 0 ? '' : `${scores.join(', ')} at step ${step}`;
}

/** How a run does, in one line. */
export function liveLine(progress: TrainProgress): string {
  const online = onlineLine(progress.online, progress.onlineStep);
  return [
    `loss ${progress.loss.toFixed(4)}`,
    ...(online === '' ? [] : [online]),
    ...(progress.effectiveRank > 0 ? [`rank ${progress.effectiveRank.toFixed(1)}`] : []),
    `${progress.imagesPerSecond.toFixed(0)} images/s`,
    `ETA ${seconds(progress.etaSeconds)}`,
  ].join(' · ');
}
