import type { BootstrapSpec, Interval } from '@medformer/schema';
import { bootstrap, percentileInterval, type SamplingUnits } from './bootstrap.js';
import type { Statistic } from './statistic.js';

export interface PairedDifference {
  /** The first statistic less the second, on all images. */
  difference: number;
  interval?: Interval;
  /** Two-sided: that the difference is zero. Never below 2 / (resamples + 1). */
  p: number;
}

/**
 * Whether two statistics of the same images differ: both are computed on the same resamples of the units. The p-value is
 * twice the smaller share of differences on one side of zero, zero counting for both sides, with the observed sample
 * counted in (Davison and Hinkley 1997, section 4.4.1).
 * @returns undefined where a statistic is undefined on all images or on more than half of the resamples.
 */
export function pairedBootstrap(
  first: Statistic,
  second: Statistic,
  units: SamplingUnits,
  options: BootstrapSpec,
): PairedDifference | undefined {
  const [x, y] = [first(), second()];
  if (x === undefined || y === undefined) return undefined;
  const [ofFirst, ofSecond] = bootstrap([first, second], units, options) as [Float64Array, Float64Array];
  const differences = ofFirst.map((value, at) => value - ofSecond[at]!);
  const interval = percentileInterval(differences, options.level);
  if (!interval) return undefined;
  return { difference: x - y, interval, p: twoSided(differences) };
}

function twoSided(differences: Float64Array): number {
  let below = 0;
  let above = 0;
  let defined = 0;
  for (const difference of differences) {
    if (Number.isNaN(difference)) continue;
    defined += 1;
    if (difference <= 0) below += 1;
    if (difference >= 0) above += 1;
  }
  return Math.min(1, (2 * (Math.min(below, above) + 1)) / (defined + 1));
}
