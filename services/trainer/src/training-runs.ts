import {
  getCheckpointRecord,
  getLoadReport,
  getRunSpec,
  listCheckpoints,
  listRuns,
  putRunSpec,
  referFor,
} from '@medformer/checkpoint';
import { type ComputeProcess, startComputeProcess } from '@medformer/compute';
import {
  type KeptCheckpoint,
  type Run,
  type RunHealth,
  type RunResult,
  RunState,
} from '@medformer/gen/trainer';
import type { ObjectStore, ObjectStoreConfig } from '@medformer/object-store';
import {
  isDone,
  type LoadReport,
  MedformerError,
  type RunSpec,
  runId,
  toMedformerError,
} from '@medformer/schema';
import type { Logger } from '@medformer/telemetry';
import PQueue from 'p-queue';
import { keptCheckpoints } from './kept-checkpoints.js';
import { LiveRun } from './live-run.js';
import { onlineScores } from './online-scores.js';
import { healthIn } from './run-health.js';
import type { TrainingCalls, TrainingEvent } from './training-calls.js';
import { observeTraining, runsGauge } from './training-metrics.js';

export interface TrainingRunsOptions {
  store: ObjectStoreConfig;
  concurrency: number;
  threads?: number;
}

/**
 * The runs of this service. What a run has done stands in the object store; this class only knows which of them are
 * under way here, so that a restarted service finds every run again as interrupted or finished.
 */
export class TrainingRuns {
  private readonly live = new Map<string, LiveRun>();
  private readonly queue: PQueue;
  private stopping = false;

  constructor(
    private readonly store: ObjectStore,
    private readonly options: TrainingRunsOptions,
    private readonly logger: Logger,
  ) {
    this.queue = new PQueue({ concurrency: options.concurrency });
  }

  /** Queues the run, attaches to it when it is under way, or finds it finished. */
  async start(spec: RunSpec): Promise<Run> {
    const id = runId(spec);
    const stored = await this.stored(id, spec);
    if (spec.initial) await this.referInitial(id, spec.initial.checkpoint);
    await putRunSpec(this.store, spec);
    // Nothing is awaited from here on: of two calls at once the second finds what the first made.
    const known = this.live.get(id);
    if (known && !known.ended) return known.run;
    if (stored.state === RunState.RUN_STATE_SUCCEEDED) return stored;
    if (this.stopping) throw new MedformerError('UNAVAILABLE', 'the service is stopping');
    const live = new LiveRun({ ...stored, state: RunState.RUN_STATE_QUEUED });
    this.live.set(id, live);
    void this.queue.add(() => this.train(spec, live));
    this.observeQueue();
    return live.run;
  }

  /** The run as it is under way here, or as the store has it. @throws MedformerError NOT_FOUND */
  async get(id: string): Promise<{ run: Run; spec: RunSpec; live?: LiveRun }> {
    const spec = await getRunSpec(this.store, id);
    const live = this.live.get(id);
    if (live) return { run: live.run, spec, live };
    return { run: await this.stored(id, spec), spec };
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

  /** Of the run as it is under way here, or as its newest checkpoint has it. */
  async health({ run, checkpoint }: Run): Promise<RunHealth | undefined> {
    const live = this.live.get(run)?.health.value;
    if (live || checkpoint === '') return live;
    return healthIn(await getCheckpointRecord(this.store, checkpoint));
  }

  async list(): Promise<Run[]> {
    const runs: Run[] = [];
    for (const { run } of await listRuns(this.store)) runs.push((await this.get(run)).run);
    return runs;
  }

  /** Asks a run to stop; it ends after its present step, with a checkpoint. */
  async cancel(id: string): Promise<Run> {
    const { run, live } = await this.get(id);
    if (!live || live.ended) return run;
    live.cancellation.abort(new MedformerError('CANCELLED', 'cancelled by CancelRun'));
    if (live.run.state === RunState.RUN_STATE_QUEUED) {
      live.update({ state: RunState.RUN_STATE_CANCELLED });
      this.observeQueue();
    }
    return live.run;
  }

  /** Ends every run with a checkpoint; they resume when they are started again. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const live of this.live.values())
      live.cancellation.abort(new MedformerError('UNAVAILABLE', 'the service is stopping'));
    await this.queue.onIdle();
  }

  /** The run can be started again at any time, so what it starts from has to stay. */
  private async referInitial(run: string, checkpoint: string): Promise<void> {
    const found = () => getCheckpointRecord(this.store, checkpoint);
    await referFor(this.store, [checkpoint], `run-${run}`, found);
  }

  private async train(spec: RunSpec, live: LiveRun): Promise<void> {
    const { signal } = live.cancellation;
    if (signal.aborted) return live.update({ state: this.stoppedState() });
    // A process per run: TensorFlow gives memory back only when its process ends.
    const process: ComputeProcess<TrainingCalls> = startComputeProcess(
      new URL('../dist/training-process.js', import.meta.url),
      { name: 'training process', gracePeriodMs: 30_000 },
    );
    live.update({ state: RunState.RUN_STATE_RUNNING });
    this.observeQueue();
    try {
      const { store, threads } = this.options;
      const input = { store, spec, ...(threads ? { threads } : {}) };
      const onProgress = (event: TrainingEvent) => this.observe(spec, live, event);
      const { checkpoint, step } = await process.call('train', input, { signal, onProgress });
      live.update({ state: RunState.RUN_STATE_SUCCEEDED, checkpoint, step: BigInt(step) });
    } catch (thrown) {
      const error = toMedformerError(thrown);
      if (signal.aborted) live.update({ state: this.stoppedState() });
      else {
        this.logger.error({ run: live.run.run, err: thrown }, 'training run failed');
        live.update({ state: RunState.RUN_STATE_FAILED, failure: error.message, failureCode: error.code });
      }
    } finally {
      await process.stop();
      this.observeQueue();
    }
  }

  private observe(spec: RunSpec, live: LiveRun, event: TrainingEvent): void {
    observeTraining(spec.method.name, event);
    if (event.type === 'checkpoint') live.update({ checkpoint: event.checkpoint, step: BigInt(event.step) });
    else if (event.type === 'loaded') {
      this.logger.info({ run: live.run.run, loaded: event.report }, 'initial checkpoint loaded');
      live.load(event.report);
    } else if (event.type === 'warning') {
      this.logger.warn({ run: live.run.run }, event.message);
      live.warn(event.message);
    } else if (event.type === 'step') {
      const { report, imagesPerSecond, etaSeconds } = event;
      live.health.after(report);
      live.report({
        step: BigInt(report.step),
        steps: BigInt(spec.steps),
        loss: report.loss,
        learningRate: report.learningRate,
        gradientNorm: report.gradientNorm,
        imagesPerSecond,
        etaSeconds,
        viewsMs: report.viewsMs,
        stepMs: report.stepMs,
        embeddingStd: report.embeddingStd ?? 0,
        effectiveRank: report.effectiveRank ?? 0,
        ...live.newestOnline(report),
      });
    }
  }

  private async stored(id: string, spec: RunSpec): Promise<Run> {
    const newest = (await listCheckpoints(this.store, id)).at(-1);
    const step = newest?.step ?? 0;
    // Only a run that may end early has to be read to know whether it did.
    const history =
      newest && spec.earlyStop ? (await getCheckpointRecord(this.store, newest.checkpoint)).history : [];
    return {
      run: id,
      state: isDone(spec, { step, history }) ? RunState.RUN_STATE_SUCCEEDED : RunState.RUN_STATE_INTERRUPTED,
      step: BigInt(step),
      steps: BigInt(spec.steps),
      method: spec.method.name,
      checkpoint: newest?.checkpoint ?? '',
      failure: '',
      failureCode: '',
    };
  }

  private stoppedState(): RunState {
    return this.stopping ? RunState.RUN_STATE_INTERRUPTED : RunState.RUN_STATE_CANCELLED;
  }

  private observeQueue(): void {
    const count = (state: RunState) =>
      [...this.live.values()].filter(({ run }) => run.state === state).length;
    runsGauge.set({ state: 'queued' }, count(RunState.RUN_STATE_QUEUED));
    runsGauge.set({ state: 'running' }, count(RunState.RUN_STATE_RUNNING));
  }
}
