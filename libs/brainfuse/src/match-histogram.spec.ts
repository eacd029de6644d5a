import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { matchHistogram, quantiles } from './match-histogram.js';

const gamma = (values: Float32Array, power: number) => values.map((value) => value ** power);
const some = Float32Array.from({ length: 500 }, (_, at) =>
  at < 100 ? 0 : Rng.of('values', at).uniform(0.05, 1),
);

describe('matching histograms', () => {
  it('changes nothing where the quantiles are the same', () => {
    matchHistogram(some, some).forEach((value, at) => {
      expect(value).toBeCloseTo(some[at]!, 6);
    });
  });

  it('undoes a monotone change of grey values', () => {
    const changed = gamma(some, 1.7);
    const back = matchHistogram(changed, some);
    const error = Math.max(...back.map((value, at) => Math.abs(value - some[at]!)));
    expect(error).toBeLessThan(0.02);
  });

  it('gives the target’s quantiles and keeps the order of values', () => {
    const target = gamma(some, 0.5);
    const matched = matchHistogram(some, target);
    const found = quantiles(matched);
    quantiles(target).forEach((value, at) => {
      expect(found[at]).toBeCloseTo(value, 2);
    });
    const order = [...some.keys()].sort((a, b) => some[a]! - some[b]!);
    for (let at = 1; at < order.length; at += 1)
      expect(matched[order[at]!]).toBeGreaterThanOrEqual(matched[order[at - 1]!]! - 1e-6);
  });

  it('survives an image of one value', () => {
    const flat = new Float32Array(10).fill(0.4);
    for (const value of matchHistogram(flat, some)) expect(value).toBeGreaterThanOrEqual(0);
    for (const value of matchHistogram(some, flat)) expect(value).toBeCloseTo(0.4, 6);
  });
});
