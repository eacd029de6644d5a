import { once } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import {
  type Run,
  type RunHealth,
  RunState,
  type TrainProgress,
  type WatchRunResponse,
} from '@medformer/gen/trainer';
import type { LoadReport, OnlineScores } from '@medformer/schema';
import { onlineScores } from './online-scores.js';
import { healthOnWire, LiveHealth } from './run-health.js';
import { progressOnWire, type RunView } from './run-view.js';

export const TERMINAL: ReadonlySet<RunState> = new Set([
  RunState.RUN_STATE_SUCCEEDED,
  RunState.RUN_STATE_FAILED,
  RunState.RUN_STATE_CANCELLED,
  RunState.RUN_STATE_INTERRUPTED,
]);

/** A run that somebody follows, as its watchers see it. */
export class LiveRun {
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

  /** What another process wrote down of the run. */
  tell({ run, progress: stored }: RunView): void {
    this.current = run;
    const health = stored && healthOnWire(stored);
    if (health && !isDeepStrictEqual(health, this.health.value)) this.health.value = health;
    const progress = stored && progressOnWire(stored);
    if (progress && !isDeepStrictEqual(progress, this.progress)) this.progress = progress;
    this.changed();
  }

  update(change: Partial<Run>): void {
    this.current = { ...this.current, ...change };
    if (this.current.state !== RunState.RUN_STATE_RUNNING) this.current.etaSeconds = 0;
    this.changed();
  }

  report(progress: TrainProgress): void {
    this.progress = progress;
    this.current = { ...this.current, step: progress.step, etaSeconds: progress.etaSeconds };
    this.changed();
  }

  /**
   * The state now and after every change, until the run ends. A watcher that is slower than the run misses steps, never
   * the end: nothing is queued for it.
   */
  async *watch(signal: AbortSignal): AsyncIterable<WatchRunResponse> {
    let seen = 0;
    let told: string | undefined;
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
      const { state, reason } = this.current;
      if (`${state} ${reason}` !== told) {
        told = `${state} ${reason}`;
        yield { event: { $case: 'state', value: this.current } };
        if (this.ended) return;
      } else if (this.progress && this.progress !== toldProgress) {
        toldProgress = this.progress;
        yield { event: { $case: 'progress', value: this.progress } };
      }
    }
  }

  get newest(): TrainProgress | undefined {
    return this.progress;
  }

  private changed(): void {
    this.version += 1;
    this.changes.dispatchEvent(new Event('change'));
  }
}
