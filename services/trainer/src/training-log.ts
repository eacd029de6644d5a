import type { Logger } from '@medformer/telemetry';
import type { TrainingEvent } from './training-calls.js';

/** Time between two steps that are logged. */
const PERIOD_MS = 10_000;

/** Writes down what a training process tells: all that is rare, and a step now and then. */
export class TrainingLog {
  private lastStep = Number.NEGATIVE_INFINITY;

  constructor(private readonly logger: Logger) {}

  observe(event: TrainingEvent): void {
    if (event.type === 'started') this.logger.info({ method: event.method, epoch: event.epoch }, 'started');
    else if (event.type === 'loaded') this.logger.info({ loaded: event.report }, 'initial checkpoint loaded');
    else if (event.type === 'warning') this.logger.warn(event.message);
    else if (event.type === 'failed-step')
      this.logger.error({ failed_step: event.failedStep }, 'a step failed and is kept');
    else if (event.type === 'checkpoint')
      this.logger.info({ step: event.step, checkpoint: event.checkpoint }, 'checkpoint written');
    else if (performance.now() - this.lastStep >= PERIOD_MS) {
      this.lastStep = performance.now();
      const { report, imagesPerSecond, etaSeconds } = event;
      const { step, loss } = report;
      this.logger.info(
        { step, loss, images_per_second: imagesPerSecond, eta_seconds: Math.round(etaSeconds) },
        'trained',
      );
    }
  }
}
