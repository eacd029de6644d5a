import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { matchQuantiles, matchTable } from './match-histogram.js';
import { quantiles } from './quantiles.js';

const POINTS = 33;
const gamma = (values: Float32Array, power: number) => values.map((value) => value ** power);
const some = Float32Array.from({ length: 500 }, (_, at) =>
  at < 100 ? 0 : Rng.of('values', at).uniform(0.05, 1),
);
const matched = (values: Float32Array, target: Float32Array) =>
  values.map(matchQuantiles(quantiles(values, POINTS), quantiles(target, POINTS)));

describe('matching histograms', () => {
  it('changes nothing where the quantiles are the same', () => {
    matched(some, some).forEach((value, at) => {
      expect(value).toBeCloseTo(some[at]!, 6);
    });
  });

  it('undoes a monotone change of grey values', () => {
    const back = matched(gamma(some, 1.7), some);
    expect(Math.max(...back.map((value, at) => Math.abs(value - some[at]!)))).toBeLessThan(0.02);
  });

  it('gives the target’s quantiles and keeps the order of values', () => {
    const target = gamma(some, 0.5);
    const found = matched(some, target);
    const own = quantiles(found, POINTS);
    quantiles(target, POINTS).forEach((value, at) => {
      expect(own[at]).toBeCloseTo(value, 2);
    });
    const order = [...some.keys()].sort((a, b) => some[a]! - some[b]!);
    for (let at = 1; at < order.length; at += 1)
      expect(found[order[at]!]).toBeGreaterThanOrEqual(found[order[at - 1]!]! - 1e-6);
  });

  it('by a table gives every stored number what the map gives it', () => {
    const from = quantiles(gamma(some, 1.7), POINTS);
    const to = quantiles(some, POINTS);
    const map = matchQuantiles(from, to);
    for (const white of [255, 65_535]) {
      matchTable(from, to, white).forEach((value, level) => {
        expect(Math.abs(value - map(level / white))).toBeLessThan(1e-5);
      });
    }
  });

  it('finds the same quantiles of stored numbers by counting as by sorting', () => {
    const rng = Rng.of('counted');
    const levels = Uint16Array.from({ length: 5000 }, (_, at) =>
      at % 3 ? Math.abs(rng.normal()) * 9000 : 12,
    );
    expect(quantiles(levels, POINTS)).toEqual(quantiles(Float32Array.from(levels), POINTS));
    const small = Uint8Array.from(levels, (level) => level >> 8);
    expect(quantiles(small, POINTS)).toEqual(quantiles(Float32Array.from(small), POINTS));
    expect(quantiles(new Uint8Array(9).fill(7), 3)).toEqual(Float32Array.of(7, 7, 7));
  });

  it('survives an image of one value', () => {
    const flat = new Float32Array(10).fill(0.4);
    for (const value of matched(flat, some)) expect(value).toBeGreaterThanOrEqual(0);
    for (const value of matched(some, flat)) expect(value).toBeCloseTo(0.4, 6);
  });

  it('reads every so many values of a large image, and finds nearly the same quantiles', () => {
    const rng = Rng.of('large');
    const large = Float32Array.from({ length: 300_000 }, () => rng.normal());
    const sorted = large.slice().sort();
    quantiles(large, 9).forEach((value, at) => {
      if (at > 0 && at < 8) expect(value).toBeCloseTo(sorted[Math.round((at * 299_999) / 8)]!, 1);
    });
  });
});
