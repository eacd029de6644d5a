import { describe, expect, it } from 'vitest';
import { normalise, ruleFor } from './normalise.js';

describe('normalise', () => {
  it('maps the Hounsfield window to 16 bits and clips beyond it', () => {
    const values = Float32Array.of(-3000, -1000, 0, 999.99, 1000, 4000);
    expect([...normalise({ values }, ruleFor('ct'))]).toEqual([0, 0, 32_768, 65_535, 65_535, 65_535]);
  });

  it('maps the percentiles of an image to the ends of the range', () => {
    const values = Int16Array.from({ length: 1001 }, (_, index) => index * 10);
    const pixels = normalise({ values }, { rule: 'percentile', low: 1, high: 99.5 });
    expect([pixels[0], pixels[10], pixels[995], pixels[1000]]).toEqual([0, 0, 65_535, 65_535]);
    expect(pixels[500]).toBe(Math.floor(((5000 - 100) / (9950 - 100)) * 65_535 + 0.5));
  });

  it('keeps order: a larger value never gives a smaller pixel', () => {
    const values = Float64Array.from({ length: 500 }, (_, index) => Math.sin(index) * 300);
    const pixels = normalise({ values }, ruleFor('pet'));
    const order = [...values.keys()].sort((x, y) => values[x]! - values[y]!);
    for (const [rank, index] of order.slice(1).entries()) {
      expect(pixels[index]!).toBeGreaterThanOrEqual(pixels[order[rank]!]!);
    }
  });

  it('leaves 8-bit values alone under every rule, and 16-bit ones unchanged where asked', () => {
    const bytes = Uint8Array.of(0, 7, 255);
    expect(normalise({ values: bytes }, ruleFor('ct'))).toBe(bytes);
    const words = Uint16Array.of(0, 7, 60_000);
    expect(normalise({ values: words }, { rule: 'unchanged' })).toBe(words);
    expect(() => normalise({ values: Int16Array.of(1) }, { rule: 'unchanged' })).toThrow(RangeError);
  });

  it('gives zeros for an image of one value', () => {
    expect([...normalise({ values: Float32Array.of(5, 5, 5) }, ruleFor('mri'))]).toEqual([0, 0, 0]);
  });
});
