import { endRunProgress } from '@medformer/checkpoint';
import { type Run, RunState } from '@medformer/gen/trainer';
import type { ObjectStore, ObjectStoreConfig } from '@medformer/object-store';
import { MedformerError, type RunSpec, toMedformerError } from '@medformer/schema';
import { createLogger, type Logger } from '@medformer/telemetry';
import PQueue from 'p-queue';
import { LiveRun } from './live-run.js';
import { trainIn } from './local-replicas.js';
import { RunLog } from './run-log.js';
import type { BackendStatus, LogOptions, TrainingBackend } from './training-backend.js';
import type { TrainingEvent } from './training-calls.js';
import { TrainingLog } from './training-log.js';
import { countRunsBy, observeTraining } from './training-metrics.js';

export interface ProcessBackendOptions {
  store: ObjectStoreConfig;
  /** Runs that train at once. */
  concurrency: number;
  threads?: number;
  /** Processes that share a run whose spec does not say. */
  workers: number;
}

/** A run that was started here. */
interface Started {
  spec: RunSpec;
  live: LiveRun;
  log: RunLog;
  /** Ends the present attempt. */
  attempt: AbortController;
  suspended: boolean;
}

const SUSPENDED = 'suspended; ResumeRun lets it go on';

/** Trains runs in child processes of this one, so many at once. */
export class ProcessBackend implements TrainingBackend {
  readonly trustsHeartbeats = true;
  private readonly started = new Map<string, Started>();
  private readonly queue: PQueue;
  private stopping = false;

  constructor(
    private readonly store: ObjectStore,
    private readonly options: ProcessBackendOptions,
    private readonly logger: Logger,
  ) {
    this.queue = new PQueue({ concurrency: options.concurrency });
    const inState = (state: RunState) =>
      [...this.started.values()].filter(({ live }) => live.run.state === state).length;
    countRunsBy(() => ({
      queued: inState(RunState.RUN_STATE_QUEUED),
      running: inState(RunState.RUN_STATE_RUNNING),
    }));
  }

  async start(spec: RunSpec, run: Run): Promise<void> {
    const known = this.started.get(run.run);
    if (known && !known.live.ended) return;
    if (this.stopping) throw new MedformerError('UNAVAILABLE', 'the service is stopping');
    const begun: Started = {
      spec,
      live: new LiveRun({ ...run, state: RunState.RUN_STATE_QUEUED, reason: '' }),
      log: known?.log ?? new RunLog(),
      attempt: new AbortController(),
      suspended: false,
    };
    begun.log.open();
    this.started.set(run.run, begun);
    this.enqueue(begun);
  }

  async cancel(run: string): Promise<void> {
    const begun = this.started.get(run);
    if (!begun || begun.live.ended) return;
    const waits = begun.live.run.state === RunState.RUN_STATE_QUEUED;
    begun.suspended = false;
    begun.attempt.abort(new MedformerError('CANCELLED', 'cancelled by CancelRun'));
    if (waits) this.end(begun, RunState.RUN_STATE_CANCELLED);
  }

  async suspend(run: string): Promise<void> {
    const begun = this.underWay(run);
    if (begun.suspended) return;
    begun.suspended = true;
    if (begun.live.run.state === RunState.RUN_STATE_QUEUED) begun.live.update({ reason: SUSPENDED });
    begun.attempt.abort(new MedformerError('UNAVAILABLE', 'suspended by SuspendRun'));
  }

  async resume(run: string): Promise<void> {
    const begun = this.underWay(run);
    if (!begun.suspended) throw new MedformerError('FAILED_PRECONDITION', `run ${run}: is not suspended`);
    begun.suspended = false;
    // One that has not stopped yet goes on by itself when it has.
    if (begun.live.run.state !== RunState.RUN_STATE_QUEUED) return;
    begun.live.update({ reason: '' });
    this.enqueue(begun);
  }

  status(run: string): BackendStatus | undefined {
    const begun = this.started.get(run);
    if (!begun || begun.live.ended) return undefined;
    const { state, reason } = begun.live.run;
    return { state: state === RunState.RUN_STATE_QUEUED ? 'queued' : 'running', reason };
  }

  live(run: string): LiveRun | undefined {
    return this.started.get(run)?.live;
  }

  changed(_run: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }

  logs(run: string, options: LogOptions, signal: AbortSignal): AsyncIterable<string> {
    const begun = this.started.get(run);
    if (!begun)
      throw new MedformerError(
        'NOT_FOUND',
        `run ${run}: was not started by this service, which keeps its logs`,
      );
    return begun.log.read(options, signal);
  }

  get runsAtOnce(): number {
    return this.options.concurrency;
  }

  async ready(): Promise<void> {}

  /** Ends every run with a checkpoint; they resume when they are started again. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const begun of this.started.values()) {
      begun.suspended = false;
      begun.attempt.abort(new MedformerError('UNAVAILABLE', 'the service is stopping'));
      if (begun.live.run.state === RunState.RUN_STATE_QUEUED) this.end(begun, RunState.RUN_STATE_INTERRUPTED);
    }
    await this.queue.onIdle();
  }

  private enqueue(begun: Started): void {
    begun.attempt = new AbortController();
    const { attempt } = begun;
    void this.queue.add(() => this.train(begun, attempt.signal));
  }

  private async train(begun: Started, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { live, log } = begun;
    const { run } = live.run;
    const { store, threads } = this.options;
    live.update({ state: RunState.RUN_STATE_RUNNING, reason: '' });
    const written = new TrainingLog(
      createLogger('training', { destination: { write: (line: string) => log.write(line) } }),
    );
    const onProgress = (event: TrainingEvent) => {
      written.observe(event);
      this.observe(begun, event);
    };
    try {
      const input = { store, run, ...(threads ? { threads } : {}) };
      // Processes of its own for each run: TensorFlow gives memory back only when its process ends.
      const { checkpoint, step } = await trainIn(begun.spec.workers ?? this.options.workers, input, {
        signal,
        onProgress,
        process: {
          name: 'training process',
          gracePeriodMs: 30_000,
          onStderr: (chunk) => log.write(chunk.toString()),
        },
      });
      this.end(begun, RunState.RUN_STATE_SUCCEEDED, { checkpoint, step: BigInt(step) });
    } catch (thrown) {
      await this.endedBy(begun, thrown, signal);
    }
    if (begun.attempt.signal === signal && signal.aborted && !live.ended && !begun.suspended)
      this.enqueue(begun);
  }

  private async endedBy(begun: Started, thrown: unknown, signal: AbortSignal): Promise<void> {
    const { live } = begun;
    const { run } = live.run;
    const error = toMedformerError(thrown);
    if (signal.aborted && toMedformerError(signal.reason).code === 'CANCELLED')
      return this.end(begun, RunState.RUN_STATE_CANCELLED);
    if (signal.aborted && this.stopping) return this.end(begun, RunState.RUN_STATE_INTERRUPTED);
    if (signal.aborted)
      return live.update({
        state: RunState.RUN_STATE_QUEUED,
        reason: begun.suspended ? SUSPENDED : '',
      });
    if (error.code === 'ABORTED')
      return this.end(begun, RunState.RUN_STATE_INTERRUPTED, { reason: error.message });
    this.logger.error({ run, err: thrown }, 'training run failed');
    const { code, message } = error;
    // The process said so itself, unless it was killed.
    await endRunProgress(this.store, run, { state: 'failed', failure: { code, message } }).catch((err) =>
      this.logger.warn({ run, err }, 'the object store was not told that the run failed'),
    );
    this.end(begun, RunState.RUN_STATE_FAILED, { failure: message, failureCode: code });
  }

  private end({ live, log }: Started, state: RunState, change: Partial<Run> = {}): void {
    live.update({ reason: '', ...change, state });
    log.close();
  }

  private observe({ spec, live }: Started, event: TrainingEvent): void {
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

  /** @throws MedformerError FAILED_PRECONDITION */
  private underWay(run: string): Started {
    const begun = this.started.get(run);
    if (begun && !begun.live.ended) return begun;
    throw new MedformerError('FAILED_PRECONDITION', `run ${run}: is not under way here`);
  }
}
