import { once } from 'node:events';
import {
  type Run,
  type RunHealth,
  RunState,
  type TrainProgress,
  type WatchRunResponse,
} from '@medformer/gen/trainer';
import type { LoadReport, OnlineScores } from '@medformer/schema';
import { onlineScores } from './online-scores.js';
import { LiveHealth } from './run-health.js';

const TERMINAL = new Set([
  RunState.RUN_STATE_SUCCEEDED,
  RunState.RUN_STATE_FAILED,
  RunState.RUN_STATE_CANCELLED,
  RunState.RUN_STATE_INTERRUPTED,
]);

/** A run this process is about to train, trains or has trained, as its watchers see it. */
export class LiveRun {
  /** Fires when somebody asks for the run to stop. */
  readonly cancellation = new AbortController();
  readonly health = new LiveHealth();
  private readonly changes = new EventTarget();
  private version = 1;
  private progress: TrainProgress | undefined;
  private loaded: LoadReport | undefined;
  private online: Pick<TrainProgress, 'online' | 'onlineStep'> = { online: [], onlineStep: 0n };

  constructor(private current: Run) {}

  get run(): Run {
    return this.current;
  }

  get ended(): boolean {
    return TERMINAL.has(this.current.state);
  }

  /** The newest online scores, this step's or older: a watcher that missed their step still learns of them. */
  newestOnline({ step, online }: { step: number; online?: OnlineScores | undefined }): typeof this.online {
    if (online) this.online = { online: onlineScores(online), onlineStep: BigInt(step) };
    return this.online;
  }

  /** What the run took over from the checkpoint it starts from. */
  load(report: LoadReport): void {
    this.loaded = report;
    this.changed();
  }

  warn(message: string): void {
    this.health.warn(message);
    this.changed();
  }

  update(change: Partial<Run>): void {
    this.current = { ...this.current, ...change };
    this.changed();
  }

  report(progress: TrainProgress): void {
    this.progress = progress;
    this.current = { ...this.current, step: progress.step };
    this.changed();
  }

  /**
   * The state now and after every change, until the run ends. A watcher that is slower than the run misses steps, never
   * the end: nothing is queued for it.
   */
  async *watch(signal: AbortSignal): AsyncIterable<WatchRunResponse> {
    let seen = 0;
    let told: RunState | undefined;
    let toldProgress: TrainProgress | undefined;
    let toldHealth: RunHealth | undefined;
    let toldLoaded = false;
    for (;;) {
      if (seen === this.version) await once(this.changes, 'change', { signal });
      seen = this.version;
      // First, so that a run that ends by its health is not told without it.
      if (this.health.value && this.health.value !== toldHealth) {
        toldHealth = this.health.value;
        yield { event: { $case: 'health', value: toldHealth } };
      }
      if (this.loaded && !toldLoaded) {
        toldLoaded = true;
        yield { event: { $case: 'loaded', value: this.loaded } };
      }
      if (this.current.state !== told) {
        told = this.current.state;
        yield { event: { $case: 'state', value: this.current } };
        if (this.ended) return;
      } else if (this.progress && this.progress !== toldProgress) {
        toldProgress = this.progress;
        yield { event: { $case: 'progress', value: this.progress } };
      }
    }
  }

  private changed(): void {
    this.version += 1;
    this.changes.dispatchEvent(new Event('change'));
  }
}
