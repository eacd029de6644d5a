import { describe, expect, it } from 'vitest';
import { normalisationSteps, normalise, percentiles, replayNormalisation, ruleFor } from './normalise.js';

describe('normalise', () => {
  /** Large images take other ways than small ones, which take every value by itself. */
  const MANY = 100_000;
  const wave = (index: number) => Math.sin(index) * 30_000 + (index % 7);
  for (const type of [Int8Array, Int16Array, Uint16Array, Float32Array] as const) {
    it(`gives large images of ${type.name} the pixels that each value has alone`, () => {
      const values = new type(MANY).map((_, index) => wave(index) + (type === Uint16Array ? 30_000 : 0));
      for (const rule of [ruleFor('ct'), ruleFor('mri')]) {
        const steps = normalisationSteps({ values }, rule);
        const pixels = replayNormalisation({ values }, steps);
        const parts = Array.from({ length: 10 }, (_, part) =>
          replayNormalisation({ values: values.subarray(part * 10_000, (part + 1) * 10_000) }, steps),
        );
        expect(Buffer.compare(Buffer.from(pixels.buffer), Buffer.concat(parts.map(bytesOf)))).toBe(0);
      }
    });

    it(`finds the percentiles of large images of ${type.name} where sorting finds them`, () => {
      const values = new type(MANY).map((_, index) => wave(index) / 3);
      const sorted = Float64Array.from(values).sort();
      const found = percentiles(values, [1, 99.5]);
      const ranks = [0.01, 0.995].map((share) => share * (MANY - 1));
      for (const [index, rank] of ranks.entries()) {
        const [below, above] = [sorted[Math.floor(rank)]!, sorted[Math.ceil(rank)]!];
        expect(found[index]).toBe(below + (above - below) * (rank - Math.floor(rank)));
      }
    });
  }

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

  it('windows PET in uptake values where the factor is known, and by percentiles where it is not', () => {
    const values = Float32Array.from({ length: 101 }, (_, index) => index * 1000);
    const known = { values, suvFactor: 0.001 };
    expect(normalisationSteps(known, ruleFor('pet'))).toEqual([
      { step: 'suv-body-weight' },
      { step: 'scale', low: 0, high: 20 },
    ]);
    expect([...normalise(known, ruleFor('pet'))].slice(0, 3)).toEqual([0, 3277, 6554]);
    expect(normalise(known, ruleFor('pet'))[20]).toBe(65_535);
    expect(normalisationSteps({ values }, ruleFor('pet'))).toEqual([{ step: 'scale', low: 0, high: 99_900 }]);
  });

  it('scales by mean and standard deviation', () => {
    const values = Float32Array.of(2, 4, 4, 4, 5, 5, 7, 9);
    const rule = { rule: 'z-score', low: -1, high: 2 } as const;
    expect(normalisationSteps({ values }, rule)).toEqual([{ step: 'scale', low: 3, high: 9 }]);
  });

  it('gives padding no say in the statistics and the lowest pixel', () => {
    const values = Int16Array.of(-2000, 100, 200, 300, -2000);
    const padded = { values, padding: [-2000, -2000] as [number, number] };
    const steps = normalisationSteps(padded, { rule: 'percentile', low: 0, high: 100 });
    expect(steps).toEqual([{ step: 'padding-to-low' }, { step: 'scale', low: 100, high: 300 }]);
    expect([...replayNormalisation(padded, steps)]).toEqual([0, 0, 32_768, 65_535, 0]);
  });

  it('gives the same pixels when its recorded steps are replayed, whatever the type and size', () => {
    for (const length of [100, 70_000]) {
      const numbers = Array.from({ length }, (_, index) => ((index * 7919) % 4001) - 2000);
      for (const values of [Int16Array.from(numbers), Float32Array.from(numbers), Int32Array.from(numbers)]) {
        for (const modality of ['ct', 'mri', 'pet', 'xray']) {
          const steps = JSON.parse(JSON.stringify(normalisationSteps({ values }, ruleFor(modality))));
          expect(replayNormalisation({ values }, steps)).toEqual(normalise({ values }, ruleFor(modality)));
        }
        expect(normalise({ values }, ruleFor('ct'))).toEqual(
          normalise({ values: Float64Array.from(numbers) }, ruleFor('ct')),
        );
      }
    }
  });
});

function bytesOf({ buffer, byteOffset, byteLength }: Uint8Array | Uint16Array): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}
