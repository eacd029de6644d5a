import type { HistoryEntry } from './checkpoint-record.js';
import { type EarlyStopSpec, onlineMetric } from './monitor-spec.js';
import type { RunSpec } from './run-spec.js';

/**
 * Follows a run's history and says when it is to end early. It knows nothing but the history, so that a resumed run,
 * whose history is read again, ends at the same step.
 */
export class EarlyStop {
  private readonly losses: number[] = [];
  private best: { step: number; value: number } | undefined;

  constructor(private readonly spec: EarlyStopSpec) {}

  /** Takes the next step's entry; true when the run ends with it. */
  after(entry: HistoryEntry): boolean {
    const value = this.valueOf(entry);
    if (value === undefined) return false;
    if (!this.best || value > this.best.value + this.spec.minDelta) this.best = { step: entry.step, value };
    return entry.step - this.best.step >= this.spec.patience;
  }

  /** Larger is better. */
  private valueOf({ loss, online }: HistoryEntry): number | undefined {
    const metric = onlineMetric(this.spec.metric);
    if (metric) return online?.[metric.protocol]?.[metric.score];
    this.losses.push(loss);
    if (this.losses.length > this.spec.window) this.losses.shift();
    if (this.losses.length < this.spec.window) return undefined;
    return -this.losses.reduce((sum, each) => sum + each, 0) / this.spec.window;
  }
}

/** Whether a run with this history is done: it reached its last step, or ended early. */
export function isDone(
  spec: RunSpec,
  { step, history }: { step: number; history: readonly HistoryEntry[] },
): boolean {
  if (step >= spec.steps) return true;
  if (!spec.earlyStop) return false;
  const early = new EarlyStop(spec.earlyStop);
  return history.reduce((_, entry) => early.after(entry), false);
}
