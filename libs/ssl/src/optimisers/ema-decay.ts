import type { RunSpec } from '@medformer/schema';

/**
 * Decay of the weights' moving average at a step counted from 1: warmed up as min(decay, (1 + t) / (10 + t)), so that
 * the random start is soon forgotten (TensorFlow's ExponentialMovingAverage with num_updates).
 */
export function emaDecayAt(step: number, { decay }: NonNullable<RunSpec['ema']>): number {
  return Math.min(decay, (1 + step) / (10 + step));
}
