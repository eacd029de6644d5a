import { BootstrapSpec } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { bootstrap, percentileInterval, subjectUnits } from './bootstrap.js';
import { pairedBootstrap } from './paired-bootstrap.js';
import type { Statistic } from './statistic.js';

const spec = BootstrapSpec.parse({ resamples: 500 });

const meanOf =
  (values: readonly number[]): Statistic =>
  (counts) => {
    const of = counts ? Array.from(counts) : values.map(() => 1);
    return (
      values.reduce((sum, value, at) => sum + of[at]! * value, 0) / of.reduce((sum, count) => sum + count, 0)
    );
  };

const each = (length: number) => subjectUnits(Array.from({ length }, (_, image) => String(image)));
const alternating = Array.from({ length: 100 }, (_, image) => image % 2);

describe('bootstrap', () => {
  it('spreads a mean by its standard error', () => {
    const [values] = bootstrap([meanOf(alternating)], each(100), spec);
    const mean = values!.reduce((sum, value) => sum + value, 0) / values!.length;
    const variance = values!.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values!.length;

    expect(mean).toBeCloseTo(0.5, 1);
    expect(Math.sqrt(variance)).toBeGreaterThan(0.043);
    expect(Math.sqrt(variance)).toBeLessThan(0.057);
  });

  it('draws subjects whole: ten images of each are as uncertain as one', () => {
    const subjects = Array.from({ length: 100 }, (_, image) => `s${Math.floor(image / 10)}`);
    const values = subjects.map((subject) => Number(subject.slice(1)) % 2);
    const width = (units: ReturnType<typeof subjectUnits>) => {
      const { low, high } = percentileInterval(bootstrap([meanOf(values)], units, spec)[0]!, 0.95)!;
      return high - low;
    };

    expect(width(subjectUnits(subjects)) / width(each(100))).toBeGreaterThan(2.5);
  });

  it('is the same for the same seed, and another for another', () => {
    const draw = (seed: number) => bootstrap([meanOf(alternating)], each(100), { resamples: 100, seed })[0];

    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });
});

describe('percentileInterval', () => {
  it('leaves out undefined values, unless they are most', () => {
    expect(percentileInterval(Float64Array.of(1, Number.NaN, 3), 0.5)).toEqual({ low: 1.5, high: 2.5 });
    expect(percentileInterval(Float64Array.of(1, Number.NaN), 0.5)).toBeUndefined();
  });
});

describe('pairedBootstrap', () => {
  it('sees a small difference between models that err on the same images', () => {
    const worse = alternating.map((value, image) => (image % 10 === 1 ? 0 : value));
    const found = pairedBootstrap(meanOf(alternating), meanOf(worse), each(100), spec)!;

    expect(found.difference).toBeCloseTo(0.1, 12);
    expect(found.interval!.low).toBeGreaterThan(0);
    expect(found.p).toBeLessThan(0.02);
  });

  it('finds no difference of a model from itself', () => {
    const found = pairedBootstrap(meanOf(alternating), meanOf(alternating), each(100), spec)!;

    expect(found).toEqual({ difference: 0, interval: { low: 0, high: 0 }, p: 1 });
  });

  it('is undefined where a statistic is', () => {
    expect(pairedBootstrap(() => undefined, meanOf(alternating), each(100), spec)).toBeUndefined();
  });
});
