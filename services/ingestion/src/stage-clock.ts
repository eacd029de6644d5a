import type { IngestionProgress } from './ingestion-calls.js';

const PERIOD_MS = 200;

/** Reports one stage's progress a few times a second, with the mean rate so far and the time left at that rate. */
export class StageClock {
  private readonly started = performance.now();
  private last = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly stage: IngestionProgress['stage'],
    private readonly unit: string,
    private readonly report: (progress: IngestionProgress) => void,
  ) {}

  /** The first and the last count are always reported. */
  at(done: number, total: number): void {
    const now = performance.now();
    if (done < total && now - this.last < PERIOD_MS) return;
    this.last = now;
    const seconds = (now - this.started) / 1000;
    const perSecond = seconds > 0 ? done / seconds : 0;
    const etaSeconds = perSecond > 0 ? (total - done) / perSecond : 0;
    this.report({ stage: this.stage, done, total, unit: this.unit, perSecond, etaSeconds });
  }
}
