import { type BootstrapSpec, type Interval, MedformerError, Rng } from '@medformer/schema';
import type { Statistic } from './statistic.js';

/** What is drawn as a whole, e.g. a subject with all its images. */
export interface SamplingUnits {
  /** Unit of each image, `[images]`, numbered from 0. */
  of: Int32Array;
  count: number;
}

/** The subjects of the images: images of one subject are alike, and drawing them one by one would feign certainty. */
export function subjectUnits(subjects: readonly string[]): SamplingUnits {
  const numbers = new Map<string, number>();
  const of = Int32Array.from(subjects, (subject) => {
    const number = numbers.get(subject) ?? numbers.size;
    numbers.set(subject, number);
    return number;
  });
  return { of, count: numbers.size };
}

/**
 * Each statistic on the same resamples of the units with replacement (the cluster bootstrap; Davison and Hinkley 1997,
 * section 3.8), so that differences of statistics are paired. Depends on the units and the seed only.
 * @returns per statistic `[resamples]`, NaN where it is undefined.
 */
export function bootstrap(
  statistics: readonly Statistic[],
  units: SamplingUnits,
  { resamples, seed }: Pick<BootstrapSpec, 'resamples' | 'seed'>,
): Float64Array[] {
  if (units.count === 0) throw new MedformerError('INVALID_ARGUMENT', 'bootstrap: there is nothing to draw');
  const values = statistics.map(() => new Float64Array(resamples));
  const drawn = new Uint32Array(units.count);
  const counts = new Uint32Array(units.of.length);
  for (let resample = 0; resample < resamples; resample += 1) {
    const rng = Rng.of('bootstrap', seed, resample);
    drawn.fill(0);
    for (let draw = 0; draw < units.count; draw += 1) drawn[rng.integer(units.count)]! += 1;
    for (let image = 0; image < counts.length; image += 1) counts[image] = drawn[units.of[image]!]!;
    statistics.forEach((statistic, at) => {
      values[at]![resample] = statistic(counts) ?? Number.NaN;
    });
  }
  return values;
}

/**
 * The percentile interval of resampled values, with quantiles interpolated as numpy does. Values of NaN are left out;
 * undefined when more than half are, for then the interval would speak of the other resamples only.
 */
export function percentileInterval(values: Float64Array, level: number): Interval | undefined {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  if (sorted.length * 2 <= values.length) return undefined;
  return { low: quantile(sorted, (1 - level) / 2), high: quantile(sorted, (1 + level) / 2) };
}

function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below]!;
  return low + (place - below) * ((sorted[below + 1] ?? low) - low);
}
