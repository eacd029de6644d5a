import { once } from 'node:events';
import type { EvaluationProgress } from './evaluation-calls.js';
import type { Asked, Told } from './evaluation-record.js';

/** An evaluation as it is now. */
export interface EvaluationView {
  id: string;
  asked: Asked;
  state: Told['state'];
  progress?: EvaluationProgress | undefined;
  /** Address of its report. */
  report?: string | undefined;
  failure?: Told['failure'];
}

const ENDED: ReadonlySet<Told['state']> = new Set(['succeeded', 'failed', 'cancelled', 'interrupted']);

export function hasEnded({ state }: Pick<EvaluationView, 'state'>): boolean {
  return ENDED.has(state);
}

/** An evaluation that waits or runs in this process, as those who follow it see it. */
export class LiveEvaluation {
  readonly stopping = new AbortController();
  /** Goes on when nobody follows it any more. */
  detached = false;
  /** Calls that want its report, and end it when the last of them leaves. */
  wanted = 0;
  private readonly listeners = new Set<(progress: EvaluationProgress) => void>();
  private readonly changes = new EventTarget();
  private version = 1;
  private settle!: { resolve(report: string): void; reject(thrown: unknown): void };
  /** Address of the report; rejects as the evaluation ends. */
  readonly outcome = new Promise<string>((resolve, reject) => {
    this.settle = { resolve, reject };
  });

  constructor(private current: EvaluationView) {
    // Of interest to those who follow it alone.
    this.outcome.catch(() => undefined);
  }

  get view(): EvaluationView {
    return this.current;
  }

  get ended(): boolean {
    return hasEnded(this.current);
  }

  begin(): void {
    this.change({ state: 'running' });
  }

  report(progress: EvaluationProgress): void {
    for (const listener of this.listeners) listener(progress);
    this.change({ progress });
  }

  succeed(report: string): void {
    this.change({ state: 'succeeded', report, progress: undefined });
    this.settle.resolve(report);
  }

  end(state: 'failed' | 'cancelled' | 'interrupted', thrown: unknown, failure?: Told['failure']): void {
    this.change({ state, ...(failure ? { failure } : {}) });
    this.settle.reject(thrown);
  }

  /** Every progress from now on, then the report's address. */
  async follow(emit: (progress: EvaluationProgress) => void, signal: AbortSignal): Promise<string> {
    const { progress } = this.current;
    if (progress) emit(progress);
    this.listeners.add(emit);
    try {
      return await Promise.race([this.outcome, aborted(signal)]);
    } finally {
      this.listeners.delete(emit);
    }
  }

  /** The view now and after changes, until the end. Who is slower than the work misses progress, never the end. */
  async *watch(signal: AbortSignal): AsyncIterable<EvaluationView> {
    for (let seen = 0; ; ) {
      if (seen === this.version) await once(this.changes, 'change', { signal });
      seen = this.version;
      yield this.current;
      if (seen === this.version && this.ended) return;
    }
  }

  private change(change: Partial<EvaluationView>): void {
    this.current = { ...this.current, ...change };
    this.version += 1;
    this.changes.dispatchEvent(new Event('change'));
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
