import type { OptimiserSpec, RunSpec } from '@medformer/schema';

type Rates = Pick<OptimiserSpec, 'learningRate' | 'finalLearningRate' | 'warmupSteps' | 'schedule'>;

/** The rate of a run's step, counted from 1, with its batch size taken into account. */
export function runRateAt({ optimiser, steps, batchSize }: RunSpec, step: number): number {
  return batchFactor(optimiser.rateScaling, batchSize) * learningRateAt(step, steps, optimiser);
}

/**
 * Linear warm-up, then what `schedule` says.
 *
 * Conventions differ between peers. Here the first step has the rate peak / warmupSteps, not 0, and step
 * `warmupSteps` has the peak; the cosine (Loshchilov and Hutter 2017, equation 5) leaves the peak with the next step
 * and is at `finalLearningRate` in the last: PyTorch's LinearLR followed by CosineAnnealingLR, the latter with the
 * steps after the warm-up as its T_max. The shares of a step schedule count all steps, those of the warm-up included.
 * @param step counts from 1
 */
export function learningRateAt(
  step: number,
  steps: number,
  { learningRate, finalLearningRate, warmupSteps, schedule }: Rates,
): number {
  const warmup = Math.min(warmupSteps, steps - 1);
  const rate = step <= warmup ? (learningRate * step) / warmup : learningRate;
  switch (schedule.name) {
    case 'constant':
      return rate;
    case 'steps': {
      const passed = schedule.at.filter((share) => step > Math.round(share * steps)).length;
      return rate * schedule.factor ** passed;
    }
    case 'cosine': {
      if (step <= warmup) return rate;
      const progress = Math.min(1, (step - warmup) / (steps - warmup));
      return (
        finalLearningRate + ((learningRate - finalLearningRate) * (1 + Math.cos(Math.PI * progress))) / 2
      );
    }
  }
}

/** What a rate tuned for batches of 256 is multiplied by (Goyal et al. 2017; the root as in Chen et al. 2020, B.1). */
export function batchFactor(scaling: OptimiserSpec['rateScaling'], batchSize: number): number {
  if (scaling === 'none') return 1;
  return scaling === 'linear' ? batchSize / 256 : Math.sqrt(batchSize / 256);
}
