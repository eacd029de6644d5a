import type { Run } from '@medformer/gen/trainer';
import type { ErrorCode, RunSpec } from '@medformer/schema';
import type { LiveRun } from './live-run.js';

/** What a backend knows of a run that the object store does not. */
export interface BackendStatus {
  /** `ended`: a job is there that is over; what became of the run stands in the store, or in `failure`. */
  state: 'queued' | 'running' | 'ended';
  /** Why it waits, or what is happening to it; empty: nothing to say. */
  reason: string;
  /** It is being stopped. */
  stopping?: boolean;
  failure?: { code: ErrorCode; message: string };
}

/**
 * Where runs train: in child processes of this service, or in jobs of a cluster. What it starts trains by `trainClaimed`,
 * so that the object store tells how far a run is whatever became of this process.
 */
export interface TrainingBackend {
  /** Begins the run, which is in the object store; one that is under way stays as it is. */
  start(spec: RunSpec, run: Run): Promise<void>;
  /** Asks the run to stop with a checkpoint. Nothing where it is not under way. */
  cancel(run: string): Promise<void>;
  /** As `cancel`, but the run waits for `resume`. @throws MedformerError FAILED_PRECONDITION where it is not under way */
  suspend(run: string): Promise<void>;
  /** @throws MedformerError FAILED_PRECONDITION where it is not suspended */
  resume(run: string): Promise<void>;
  /** Undefined where nothing is under way. */
  status(run: string): BackendStatus | undefined;
  /** The run as this process follows it step by step, where it does. */
  live(run: string): LiveRun | undefined;
  /** Whether a run without a status whose process gave a sign of life just now trains elsewhere. */
  readonly trustsHeartbeats: boolean;
  /** Runs that train at once; undefined where the cluster alone knows what it has room for. */
  readonly runsAtOnce: number | undefined;
  /** Resolves at the next change of what `status` says of the run, or when the signal fires. */
  changed(run: string, signal: AbortSignal): Promise<void>;
  /** @throws MedformerError NOT_FOUND where nothing was written, or is kept */
  logs(run: string, options: LogOptions, signal: AbortSignal): AsyncIterable<string>;
  /** @throws MedformerError UNAVAILABLE while runs cannot be started */
  ready(): Promise<void>;
  stop(): Promise<void>;
}

export interface LogOptions {
  follow: boolean;
  /** 0: all. */
  tailLines: number;
  rank: number;
}
