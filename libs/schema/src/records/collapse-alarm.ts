import type { HistoryEntry } from './checkpoint-record.js';
import type { ExpectedLoss, HealthSpec } from './health-spec.js';

/**
 * The loss counts as at its value on collapse from this share of it on: what little spread is left, a head's batch
 * normalisation makes visible to the loss again.
 */
const AT_COLLAPSE = 0.9;

/** A loss falls while the mean over the window's later half is below this share of that over its earlier half. */
const STILL = 0.95;

/**
 * Follows a run's history and says whether the run has collapsed. It knows nothing but the history, so that a resumed
 * run and a report come to the same answer.
 */
export class CollapseAlarm {
  private readonly recent: HistoryEntry[] = [];
  private raised = false;

  constructor(
    private readonly spec: HealthSpec,
    private readonly expected: ExpectedLoss,
  ) {}

  /** Takes the next step's entry; true while the run looks collapsed. */
  after(entry: HistoryEntry): boolean {
    const { window } = this.spec;
    if (!this.isFlat(entry)) this.recent.length = 0;
    else this.recent.push(entry);
    if (this.recent.length > window) this.recent.shift();
    this.raised = this.recent.length === window && this.isStuck();
    return this.raised;
  }

  /**
   * Without a value on collapse: nothing learnt, or no more. Raised once, it stays: a loss may move there, as it learns
   * what all images share.
   */
  private isStuck(): boolean {
    const losses = this.recent.map(({ loss }) => loss);
    const { collapsed, start = Number.POSITIVE_INFINITY } = this.expected;
    if (collapsed !== undefined) return mean(losses) >= AT_COLLAPSE * collapsed;
    const half = Math.floor(losses.length / 2);
    const falls = half > 0 && mean(losses.slice(-half)) < STILL * mean(losses.slice(0, half));
    return this.raised || !falls || mean(losses) >= start;
  }

  /** A history written before the centred rank was measured is judged without it. */
  private isFlat({ embeddingStd, effectiveRank, centredRank }: HistoryEntry): boolean {
    if (embeddingStd === undefined || effectiveRank === undefined) return false;
    const { spec } = this;
    return (
      embeddingStd < spec.embeddingStd &&
      effectiveRank < spec.effectiveRank &&
      (centredRank === undefined || centredRank < spec.centredRank)
    );
  }
}

/** When a run looked collapsed for the first time, and whether it still does at its end. */
export function collapseIn(
  spec: HealthSpec,
  expected: ExpectedLoss,
  history: readonly HistoryEntry[],
): { step: number; persists: boolean } | undefined {
  const alarm = new CollapseAlarm(spec, expected);
  let first: number | undefined;
  let persists = false;
  for (const entry of history) {
    persists = alarm.after(entry);
    if (persists) first ??= entry.step;
  }
  return first === undefined ? undefined : { step: first, persists };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
