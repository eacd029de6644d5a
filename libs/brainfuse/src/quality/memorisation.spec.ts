import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { memorisation } from './memorisation.js';

const noise = (...key: (string | number)[]) => {
  const rng = Rng.of(...key);
  return Float32Array.from({ length: 400 }, () => rng.uniform());
};
const mixed = (a: Float32Array, b: Float32Array, share: number) =>
  a.map((value, at) => share * value + (1 - share) * b[at]!);

const COMMON = noise('common');
/** Different patients' scans correlate by about 0.5. */
const REALS = Array.from({ length: 40 }, (_, patient) => ({
  subject: `patient-${patient}`,
  values: mixed(COMMON, noise('patient', patient), 0.5),
}));

describe('memorisation', () => {
  it('finds copies, also brighter ones, and of whom', () => {
    const copy = REALS[7]!.values.map((value) => 0.2 + 0.5 * value);
    const fresh = mixed(COMMON, noise('fresh'), 0.5);

    const { rate, threshold, nearest } = memorisation([copy, fresh], REALS);

    expect(rate).toBe(0.5);
    expect(nearest[0]!.scan).toBe(7);
    expect(nearest[0]!.distance).toBeCloseTo(0, 5);
    expect(nearest[1]!.distance).toBeGreaterThan(threshold);
  });

  it('takes the threshold from what different patients have between them', () => {
    const { threshold, between } = memorisation([], REALS);

    expect(between.length).toBe(40);
    expect(threshold).toBe(between[0]);
    expect(memorisation([], REALS, 0.5).threshold).toBe(between[19]);
    expect(threshold).toBeGreaterThan(0.3);
    expect(threshold).toBeLessThan(0.5);
  });

  it("does not let scans of one patient be each other's nearest", () => {
    const twice = [...REALS, { subject: 'patient-3', values: REALS[3]!.values.slice() }];

    expect(memorisation([], twice).threshold).toBeCloseTo(memorisation([], REALS).threshold, 6);
  });

  it('refuses other grids and a single patient', () => {
    expect(() => memorisation([new Float32Array(3)], REALS)).toThrow(
      'memorisation: values: expected 400 for all images, found 3, 400',
    );
    expect(() => memorisation([], REALS.slice(0, 1))).toThrow('patients: expected at least 2, found 1');
  });
});
