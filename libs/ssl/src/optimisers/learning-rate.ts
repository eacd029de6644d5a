import type { OptimiserSpec } from '@medformer/schema';

/**
 * Linear warm-up from 0, then half a cosine down to the final rate (Loshchilov and Hutter 2017, equation 5).
 * @param step counts from 1; at `steps` the rate is `finalLearningRate`
 */
export function learningRateAt(
  step: number,
  steps: number,
  {
    learningRate,
    finalLearningRate,
    warmupSteps,
  }: Pick<OptimiserSpec, 'learningRate' | 'finalLearningRate' | 'warmupSteps'>,
): number {
  const warmup = Math.min(warmupSteps, steps - 1);
  if (step <= warmup) return (learningRate * step) / warmup;
  const progress = Math.min(1, (step - warmup) / (steps - warmup));
  return finalLearningRate + ((learningRate - finalLearningRate) * (1 + Math.cos(Math.PI * progress))) / 2;
}
