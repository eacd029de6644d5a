import type { HistoryEntry } from './checkpoint-record.js';
import type { ExpectedLoss, HealthSpec } from './health-spec.js';

/**
 * The loss counts as at its value on collapse from this share of it on: what little spread is left, a head's batch
 * normalisation makes visible to the loss again.
 */
const AT_COLLAPSE = 0.9;

/**
 * Follows a run's history and says whether the run has collapsed. It knows nothing but the history, so that a resumed
 * run and a report come to the same answer.
 */
export class CollapseAlarm {
  private readonly recent: HistoryEntry[] = [];

  constructor(
    private readonly spec: HealthSpec,
    private readonly expected: ExpectedLoss,
  ) {}

  /** Takes the next step's entry; true while the run looks collapsed. */
  after(entry: HistoryEntry): boolean {
    const { window, embeddingStd, effectiveRank } = this.spec;
    const flat =
      (entry.embeddingStd ?? Number.POSITIVE_INFINITY) < embeddingStd &&
      (entry.effectiveRank ?? Number.POSITIVE_INFINITY) < effectiveRank;
    if (!flat) this.recent.length = 0;
    else this.recent.push(entry);
    if (this.recent.length > window) this.recent.shift();
    if (this.recent.length < window) return false;
    const loss = this.recent.reduce((sum, each) => sum + each.loss, 0) / window;
    return this.expected.collapsed === undefined || loss >= AT_COLLAPSE * this.expected.collapsed;
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
