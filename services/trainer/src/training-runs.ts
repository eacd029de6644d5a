import {
  forgetCancelled,
  getCheckpointRecord,
  getLoadReport,
  getRunSpec,
  listRuns,
  markCancelled,
  putRunSpec,
  referFor,
} from '@medformer/checkpoint';
import {
  type KeptCheckpoint,
  type Run,
  type RunHealth,
  type RunResult,
  RunState,
  type TrainProgress,
  type WatchRunResponse,
} from '@medformer/gen/trainer';
import type { ObjectStore } from '@medformer/object-store';
import { type LoadReport, type RunSpec, runId } from '@medformer/schema';
import PQueue from 'p-queue';
import { keptCheckpoints } from './kept-checkpoints.js';
import { onlineScores } from './online-scores.js';
import { RunFollower } from './run-follower.js';
import { healthIn, healthOnWire } from './run-health.js';
import { progressOnWire, type RunView, viewOf } from './run-view.js';
import type { LogOptions, TrainingBackend } from './training-backend.js';

/** A run with what is known of it beside its state. */
export interface KnownRun extends RunView {
  spec: RunSpec;
}

/** Runs whose records are read at once for a list. */
const READ_AT_ONCE = 16;

/**
 * The runs of the object store. What a run has done, and how far it is, stands there; the backend knows which are under way
 * or wait. Nothing else is kept here, so that another process of this service answers the same.
 */
export class TrainingRuns {
  private readonly follower: RunFollower;

  constructor(
    private readonly store: ObjectStore,
    private readonly backend: TrainingBackend,
  ) {
    this.follower = new RunFollower({
      view: (run) => this.get(run),
      loaded: (run) => this.loaded(run),
      changed: (run, signal) => backend.changed(run, signal),
    });
  }

  /** Queues the run, attaches to it when it is under way, or finds it finished. */
  async start(spec: RunSpec): Promise<Run> {
    const id = runId(spec);
    const { run } = await viewOf(this.store, this.backend, id, async () => spec);
    if (spec.initial) await this.referInitial(id, spec.initial.checkpoint);
    await putRunSpec(this.store, spec);
    if (run.state === RunState.RUN_STATE_SUCCEEDED) return run;
    await forgetCancelled(this.store, id);
    await this.backend.start(spec, { ...run, failure: '', failureCode: '' });
    return (await this.get(id)).run;
  }

  /** The run as it is now. @throws MedformerError NOT_FOUND */
  async get(id: string): Promise<KnownRun> {
    const spec = await getRunSpec(this.store, id);
    const view = await viewOf(this.store, this.backend, id, async () => spec);
    const live = this.backend.live(id);
    return { ...view, ...(live ? { run: live.run } : {}), spec };
  }

  /** The run now and after every change, until it ends. @throws MedformerError NOT_FOUND */
  async *watch(id: string, signal: AbortSignal): AsyncIterable<WatchRunResponse> {
    await getRunSpec(this.store, id);
    const live = this.backend.live(id);
    yield* live ? live.watch(signal) : this.follower.watch(id, signal);
  }

  async *logs(id: string, options: LogOptions, signal: AbortSignal): AsyncIterable<string> {
    await getRunSpec(this.store, id);
    yield* this.backend.logs(id, options, signal);
  }

  progress({ run, progress }: RunView): TrainProgress | undefined {
    return this.backend.live(run.run)?.newest ?? (progress && progressOnWire(progress));
  }

  /** What the run's newest checkpoint says of its training, or undefined before there is one. */
  async result({ checkpoint }: Run): Promise<RunResult | undefined> {
    if (checkpoint === '') return undefined;
    const { history } = await getCheckpointRecord(this.store, checkpoint);
    if (history.length === 0) return undefined;
    const last = history.slice(-20);
    const scored = history.findLast(({ online }) => online);
    return {
      loss: last.reduce((sum, { loss }) => sum + loss, 0) / last.length,
      online: onlineScores(scored?.online),
      onlineStep: BigInt(scored?.step ?? 0),
    };
  }

  /** The run's checkpoints and why each stays. */
  async checkpoints({ run, checkpoint }: Run, { keep }: RunSpec): Promise<KeptCheckpoint[]> {
    if (checkpoint === '') return [];
    const { history } = await getCheckpointRecord(this.store, checkpoint);
    return keptCheckpoints(this.store, run, history, keep);
  }

  async loaded(run: string): Promise<LoadReport | undefined> {
    return getLoadReport(this.store, run);
  }

  /** As the run's process last told, or as its newest checkpoint has it. */
  async health({ run: { run, checkpoint }, progress }: RunView): Promise<RunHealth | undefined> {
    const told = this.backend.live(run)?.health.value ?? (progress && healthOnWire(progress));
    if (told || checkpoint === '') return told;
    return healthIn(await getCheckpointRecord(this.store, checkpoint));
  }

  async list(): Promise<Run[]> {
    const reading = new PQueue({ concurrency: READ_AT_ONCE });
    return reading.addAll(
      (await listRuns(this.store)).map((listed) => async () => {
        const live = this.backend.live(listed.run);
        if (live) return live.run;
        const spec = () => getRunSpec(this.store, listed.run);
        return (await viewOf(this.store, this.backend, listed.run, spec, listed)).run;
      }),
    );
  }

  /** Asks a run to stop; it ends after its present step, with a checkpoint. */
  async cancel(id: string): Promise<Run> {
    const { run } = await this.get(id);
    if (!UNDER_WAY.has(run.state)) return run;
    // First: whatever stops the run then knows why.
    await markCancelled(this.store, id);
    await this.backend.cancel(id);
    return (await this.get(id)).run;
  }

  /** Stops a run as `cancel` does, and keeps it queued. */
  async suspend(id: string): Promise<Run> {
    await getRunSpec(this.store, id);
    await this.backend.suspend(id);
    return (await this.get(id)).run;
  }

  async resume(id: string): Promise<Run> {
    await getRunSpec(this.store, id);
    await this.backend.resume(id);
    return (await this.get(id)).run;
  }

  /** Runs that train at once; undefined where the backend cannot say. */
  get atOnce(): number | undefined {
    return this.backend.runsAtOnce;
  }

  async ready(): Promise<void> {
    await this.backend.ready();
  }

  async stop(): Promise<void> {
    await this.backend.stop();
  }

  /** The run can be started again at any time, so what it starts from has to stay. */
  private async referInitial(run: string, checkpoint: string): Promise<void> {
    const found = () => getCheckpointRecord(this.store, checkpoint);
    await referFor(this.store, [checkpoint], `run-${run}`, found);
  }
}

const UNDER_WAY = new Set([RunState.RUN_STATE_QUEUED, RunState.RUN_STATE_RUNNING]);
