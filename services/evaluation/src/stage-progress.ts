import type { EvaluationProgress } from './evaluation-calls.js';

/** A score or a map takes about as long as this many images through a model. */
const IMAGES_PER_FIT = 100;

/** Counts the work of an evaluation in images; scores and maps count as a fixed number of them. */
export class StageProgress {
  private readonly total: number;
  private done = 0;
  private stage = '';

  constructor(
    work: { images: number; fits: number },
    private readonly report: (progress: EvaluationProgress) => void,
  ) {
    this.total = work.images + IMAGES_PER_FIT * work.fits;
  }

  begin(stage: string): void {
    this.stage = stage;
    this.tell();
  }

  images(count: number): void {
    this.done += count;
    this.tell();
  }

  fitted(): void {
    this.images(IMAGES_PER_FIT);
  }

  private tell(): void {
    this.report({ stage: this.stage, done: this.done, total: this.total });
  }
}
