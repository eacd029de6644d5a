import { ClaimLost, pruneRunProgress, putRunProgress, type RunClaim } from '@medformer/checkpoint';
import type { ObjectStore } from '@medformer/object-store';
import type { RunProgress, RunSpec } from '@medformer/schema';
import { onlineScores } from './online-scores.js';
import { LiveHealth } from './run-health.js';
import type { TrainingEvent } from './training-calls.js';

type Written = Parameters<typeof putRunProgress>[2];

/** Time between two writes, and between two signs of life of a run whose steps take longer. */
const PERIOD_MS = 2000;

/**
 * Tells the object store how far a run is: at once what changes seldom, steps every two seconds at most, and a sign of life
 * as often. A store that does not answer is asked again; a run that is another process's by now ends `lost`.
 */
export class ProgressLog {
  private readonly health = new LiveHealth();
  private readonly losing = new AbortController();
  private readonly timer: NodeJS.Timeout;
  private written: Written;
  private writing: Promise<void> = Promise.resolve();
  private pending = false;
  private ended = false;

  constructor(
    private readonly store: ObjectStore,
    private readonly claim: RunClaim,
    spec: RunSpec,
    private readonly onFailure: (thrown: unknown) => void,
  ) {
    this.written = {
      state: 'running',
      method: spec.method.name,
      step: 0,
      steps: spec.steps,
      startedAt: new Date().toISOString(),
    };
    this.timer = setInterval(() => this.write(), PERIOD_MS).unref();
    this.write();
    this.writing = this.writing.then(() => pruneRunProgress(store, claim)).catch(onFailure);
  }

  /** Fires with ClaimLost when the run is another process's by now. */
  get lost(): AbortSignal {
    return this.losing.signal;
  }

  observe(event: TrainingEvent): void {
    if (event.type === 'step') {
      const { report, imagesPerSecond, etaSeconds } = event;
      const { step, loss, learningRate, gradientNorm, viewsMs, stepMs, online } = report;
      const { embeddingStd = 0, effectiveRank = 0 } = report;
      this.health.after(report);
      this.written = {
        ...this.written,
        step,
        last: {
          ...{ loss, learningRate, gradientNorm, imagesPerSecond, etaSeconds },
          ...{ viewsMs, stepMs, embeddingStd, effectiveRank },
        },
        ...(online ? { online: { step, scores: onlineScores(online) } } : {}),
      };
    } else if (event.type === 'checkpoint') {
      const { step, checkpoint } = event;
      this.written = { ...this.written, step, checkpoint: { step, checkpoint } };
    } else if (event.type === 'warning') {
      this.health.warn(event.message);
    }
    const health = this.health.stored;
    this.written = { ...this.written, ...(health ? { health } : {}) };
    if (event.type !== 'step') this.write();
  }

  /** The last word, after which nothing is written. @throws MedformerError when it could not be written */
  async end(
    change: Pick<RunProgress, 'state' | 'failure' | 'checkpoint'> & { step?: number },
  ): Promise<void> {
    clearInterval(this.timer);
    this.ended = true;
    await this.writing;
    await putRunProgress(this.store, this.claim, { ...this.written, ...change });
  }

  private write(): void {
    if (this.pending || this.ended) return;
    this.pending = true;
    this.writing = this.writing.then(async () => {
      this.pending = false;
      if (this.ended) return;
      try {
        await putRunProgress(this.store, this.claim, this.written);
      } catch (thrown) {
        if (thrown instanceof ClaimLost) this.losing.abort(thrown);
        else this.onFailure(thrown);
      }
    });
  }
}
