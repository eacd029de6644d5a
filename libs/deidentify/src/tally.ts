import type { DeidentificationAction, DeidentificationOutcome } from '@medformer/schema';

/** Counts what is done, by attribute. */
export class Tally {
  private readonly counts = new Map<string, Partial<Record<DeidentificationAction, number>>>();

  add(attribute: string, action: DeidentificationAction): void {
    const counts = this.counts.get(attribute) ?? {};
    counts[action] = (counts[action] ?? 0) + 1;
    this.counts.set(attribute, counts);
  }

  /** By attribute, in code-point order. */
  actions(): DeidentificationOutcome['actions'] {
    return Object.fromEntries([...this.counts].sort(([x], [y]) => (x < y ? -1 : 1)));
  }
}
