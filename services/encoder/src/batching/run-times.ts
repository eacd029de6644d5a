const KEPT = 8;
/** Fewer say little: the first run of a shape also records it. */
const LEAST_SAMPLES = 3;
/** An estimate that nothing renewed for so long is none: a refusal by it would keep itself alive. */
const FRESH_MS = 5000;

/** How long batches of each kind took lately. */
export class RunTimes {
  private readonly recent = new Map<string, { ms: number[]; at: number }>();

  constructor(private readonly now: () => number) {}

  add(kind: string, ms: number): void {
    const known = this.recent.get(kind)?.ms ?? [];
    // The kind used last stands last; callers may send any number of shapes.
    this.recent.delete(kind);
    this.recent.set(kind, { ms: [...known, ms].slice(-KEPT), at: this.now() });
    if (this.recent.size > MOST_KINDS) this.recent.delete(this.recent.keys().next().value!);
  }

  /** The shortest of the last runs, so that nobody is refused who could have been served; 0 while that is unknown. */
  least(kind: string): number {
    const found = this.recent.get(kind);
    if (!found || found.ms.length < LEAST_SAMPLES || this.now() - found.at > FRESH_MS) return 0;
    return Math.min(...found.ms);
  }
}

const MOST_KINDS = 256;
