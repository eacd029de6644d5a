import { Counter, failureOutcome, Gauge, Histogram, metrics } from '@medformer/telemetry';
import type { GeneratorProgress } from './fusion-calls.js';

const registers = [metrics];

/** Refused: what was asked cannot be done. */
const OUTCOMES = ['ok', 'refused', 'cancelled', 'failed'] as const;

const views = new Counter({
  name: 'medformer_augmentation_views_total',
  help: 'Views drawn for callers.',
  registers,
});
const fusions = new Counter({
  name: 'medformer_augmentation_fusions_total',
  help: 'Fusions made, for callers and for data sets.',
  registers,
});
const calls = new Counter({
  name: 'medformer_augmentation_fuse_calls_total',
  help: 'Calls that fuse, by how they ended.',
  labelNames: ['outcome'],
  registers,
});
const seconds = new Histogram({
  name: 'medformer_augmentation_fuse_seconds',
  help: 'Time of a call that fuses; a stream is several.',
  buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300],
  registers,
});
const generatorSteps = new Counter({
  name: 'medformer_augmentation_generator_steps_total',
  help: 'Training steps of generators.',
  registers,
});
const generatorLoss = new Gauge({
  name: 'medformer_augmentation_generator_loss',
  help: "Loss of a generator's last step.",
  registers,
});

// From the beginning, so that a rate sees the first one.
for (const outcome of OUTCOMES) calls.inc({ outcome }, 0);

export function countViews(count: number): void {
  views.inc(count);
}

/** Counts a call that fuses. `made` tells of fusions as they are made. */
export async function countFusing<Output>(
  run: (made: (count: number) => void) => Promise<Output>,
): Promise<Output> {
  const observe = seconds.startTimer();
  let outcome: (typeof OUTCOMES)[number] = 'ok';
  try {
    return await run((count) => fusions.inc(count));
  } catch (thrown) {
    outcome = failureOutcome(thrown);
    throw thrown;
  } finally {
    calls.inc({ outcome });
    observe();
  }
}

export function countGeneratorStep({ loss }: GeneratorProgress): void {
  generatorSteps.inc();
  generatorLoss.set(loss);
}
