import type { RunSpec } from '@medformer/schema';

/**
 * Decay of the weights' moving average at a step counted from 1. `warm-up`: min(decay, (1 + t) / (10 + t)), so that
 * the random start is soon forgotten (TensorFlow's ExponentialMovingAverage with num_updates). `cosine`: from `decay`
 * in the first step towards 1 after the last (Grill et al. 2020, section 3.3). `constant`: `decay`.
 */
export function emaDecayAt(
  step: number,
  steps: number,
  { decay, ramp }: NonNullable<RunSpec['ema']>,
): number {
  switch (ramp) {
    case 'warm-up':
      return Math.min(decay, (1 + step) / (10 + step));
    case 'cosine':
      return 1 - ((1 - decay) * (Math.cos((Math.PI * (step - 1)) / steps) + 1)) / 2;
    case 'constant':
      return decay;
  }
}
