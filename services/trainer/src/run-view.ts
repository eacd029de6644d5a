import {
  getCheckpointRecord,
  getRunProgress,
  isCancelled,
  type ListedRun,
  listCheckpoints,
} from '@medformer/checkpoint';
import { type Run, RunState, type TrainProgress } from '@medformer/gen/trainer';
import type { ObjectStore } from '@medformer/object-store';
import { isDone, type RunProgress, type RunSpec } from '@medformer/schema';
import type { BackendStatus, TrainingBackend } from './training-backend.js';

/** A run by what the object store and the backend say of it. */
export interface RunView {
  run: Run;
  progress?: RunProgress;
}

/** A process gives a sign of life every two seconds, or with every step where those take longer. */
const SILENCE_MS = 10_000;
const SILENT_STEPS = 5;

type Known = Pick<TrainingBackend, 'status' | 'trustsHeartbeats'>;

/** Whoever asks gets the same answer from whichever service process. */
export async function viewOf(
  store: ObjectStore,
  backend: Known,
  id: string,
  spec: () => Promise<RunSpec>,
  listed?: ListedRun,
): Promise<RunView> {
  const silent = listed !== undefined && listed.progress === undefined;
  const progress = silent ? undefined : await getRunProgress(store, id, listed?.progress);
  const cancelled = listed ? listed.cancelled : await isCancelled(store, id);
  const status = backend.status(id);
  if (!progress) return { run: withStatus(await untold(store, id, await spec(), listed), status, cancelled) };
  const { state, step, steps, method, checkpoint, failure, last } = progress;
  const ended: Record<typeof state, RunState> = {
    running: RunState.RUN_STATE_INTERRUPTED,
    interrupted: RunState.RUN_STATE_INTERRUPTED,
    cancelled: RunState.RUN_STATE_CANCELLED,
    failed: RunState.RUN_STATE_FAILED,
    succeeded: RunState.RUN_STATE_SUCCEEDED,
  };
  const run: Run = {
    run: id,
    state: ended[state],
    step: BigInt(step),
    steps: BigInt(steps),
    method,
    checkpoint: '',
    failure: failure?.message ?? '',
    failureCode: failure?.code ?? '',
    reason: '',
    etaSeconds: 0,
  };
  // It may have had checkpoints before its newest process said so.
  const newest = checkpoint ?? (await listCheckpoints(store, id)).at(-1);
  const here = !status && backend.trustsHeartbeats && isAlive(progress) ? ELSEWHERE : status;
  const viewed = withStatus({ ...run, checkpoint: newest?.checkpoint ?? '' }, here, cancelled);
  if (viewed.state === RunState.RUN_STATE_FAILED) return { run: viewed, progress };
  const training = viewed.state === RunState.RUN_STATE_RUNNING && state === 'running';
  // What was not kept has to be trained again.
  if (!training || step === 0) return { run: { ...viewed, step: BigInt(newest?.step ?? 0) }, progress };
  return { run: { ...viewed, etaSeconds: last?.etaSeconds || 0 }, progress };
}

const ELSEWHERE: BackendStatus = { state: 'running', reason: 'trains in another process' };

function withStatus(run: Run, status: BackendStatus | undefined, cancelled: boolean): Run {
  if (run.state === RunState.RUN_STATE_SUCCEEDED) return run;
  const under = { ...run, reason: status?.reason ?? '', failure: '', failureCode: '' };
  if (status?.state === 'queued') return { ...under, state: RunState.RUN_STATE_QUEUED };
  if (status?.state === 'running') return { ...under, state: RunState.RUN_STATE_RUNNING };
  if (cancelled && run.state === RunState.RUN_STATE_INTERRUPTED)
    return { ...run, state: RunState.RUN_STATE_CANCELLED };
  if (!status?.failure || run.state === RunState.RUN_STATE_FAILED) return run;
  const { code, message } = status.failure;
  return { ...run, state: RunState.RUN_STATE_FAILED, failure: message, failureCode: code };
}

function isAlive({ state, updatedAt, last }: RunProgress): boolean {
  const silence = Math.max(SILENCE_MS, SILENT_STEPS * (last?.stepMs || 0));
  return state === 'running' && Date.now() - Date.parse(updatedAt) < silence;
}

/** A run whose process has told nothing yet, or was of a time when processes told nothing. */
async function untold(store: ObjectStore, id: string, spec: RunSpec, listed?: ListedRun): Promise<Run> {
  const newest = listed?.hasCheckpoints === false ? undefined : (await listCheckpoints(store, id)).at(-1);
  const step = newest?.step ?? 0;
  // Only a run that may end early has to be read to know whether it did.
  const history =
    newest && spec.earlyStop ? (await getCheckpointRecord(store, newest.checkpoint)).history : [];
  return {
    run: id,
    state: isDone(spec, { step, history }) ? RunState.RUN_STATE_SUCCEEDED : RunState.RUN_STATE_INTERRUPTED,
    step: BigInt(step),
    steps: BigInt(spec.steps),
    method: spec.method.name,
    checkpoint: newest?.checkpoint ?? '',
    failure: '',
    failureCode: '',
    reason: '',
    etaSeconds: 0,
  };
}

/** Progress as the wire has it; undefined before the first step. */
export function progressOnWire({ step, steps, last, online }: RunProgress): TrainProgress | undefined {
  if (!last) return undefined;
  return {
    ...last,
    step: BigInt(step),
    steps: BigInt(steps),
    online: online?.scores ?? [],
    onlineStep: BigInt(online?.step ?? 0),
  };
}
