import type { NormalisationRule, NormalisationStep } from '@medformer/schema';
import type { Voxels, VoxelValues } from './voxels.js';

const UINT16_MAX = 65_535;

/** Rules by modality; any other modality takes `OTHER_RULE`. */
const RULES: Record<string, NormalisationRule> = {
  ct: { rule: 'hu-window', low: -1000, high: 1000 },
  mri: { rule: 'percentile', low: 1, high: 99.5 },
  pet: { rule: 'suv-window', low: 0, high: 20, otherwise: { low: 0, high: 99.9 } },
};
const OTHER_RULE: NormalisationRule = { rule: 'percentile', low: 0.5, high: 99.5 };

/** What normalisation needs to know of an image beside its values. */
export interface NormalisationInput extends Pick<Voxels, 'values' | 'padding'> {
  /** Of PET: what to multiply by for standardised uptake values. */
  suvFactor?: number;
}

export function ruleFor(modality: string): NormalisationRule {
  return RULES[modality] ?? OTHER_RULE;
}

/**
 * Values as pixels over [0, 1] by a rule. 8-bit values stay as they are; `unchanged` also keeps 16-bit values. An image
 * of one value becomes all zeros; padding counts for no statistic and becomes zero.
 *
 * @throws RangeError for `unchanged` on values that are neither uint8 nor uint16.
 */
export function normalise(input: NormalisationInput, rule: NormalisationRule): Uint8Array | Uint16Array {
  return replayNormalisation(input, normalisationSteps(input, rule));
}

/**
 * What a rule comes to for one image; empty where its values are pixels already.
 * @throws RangeError as `normalise`
 */
export function normalisationSteps(input: NormalisationInput, rule: NormalisationRule): NormalisationStep[] {
  const { values, padding, suvFactor } = input;
  if (values instanceof Uint8Array) return [];
  if (rule.rule === 'unchanged') {
    if (values instanceof Uint16Array) return [];
    throw new RangeError('only 8-bit and 16-bit unsigned values can stay unchanged');
  }
  const toLow: NormalisationStep[] = padding ? [{ step: 'padding-to-low' }] : [];
  const scale = ([low, high]: readonly [number, number]): NormalisationStep => ({ step: 'scale', low, high });
  switch (rule.rule) {
    case 'hu-window':
      return [...toLow, scale([rule.low, rule.high])];
    case 'percentile':
      return [...toLow, scale(percentiles(tissue(values, padding), [rule.low, rule.high]))];
    case 'z-score': {
      const { mean, deviation } = moments(tissue(values, padding));
      return [...toLow, scale([mean + rule.low * deviation, mean + rule.high * deviation])];
    }
    case 'suv-window': {
      if (suvFactor !== undefined) {
        return [...toLow, { step: 'suv-body-weight' }, scale([rule.low, rule.high])];
      }
      const { low, high } = rule.otherwise;
      return [...toLow, scale(percentiles(tissue(values, padding), [low, high]))];
    }
  }
}

/** The pixels that recorded steps make of a decoded file's values. */
export function replayNormalisation(
  { values, padding, suvFactor = 1 }: NormalisationInput,
  steps: readonly NormalisationStep[],
): Uint8Array | Uint16Array {
  const scale = steps.find((step) => step.step === 'scale');
  if (!scale) {
    if (values instanceof Uint8Array || values instanceof Uint16Array) return values;
    throw new RangeError('only 8-bit and 16-bit unsigned values can stay unchanged');
  }
  const factor = steps.some(({ step }) => step === 'suv-body-weight') ? suvFactor : 1;
  const pixels = scaled(values, scale.low, scale.high, factor);
  if (padding && steps.some(({ step }) => step === 'padding-to-low')) {
    for (let index = 0; index < values.length; index += 1) {
      const value = values[index]!;
      if (value >= padding[0] && value <= padding[1]) pixels[index] = 0;
    }
  }
  return pixels;
}

function scaled(values: VoxelValues, low: number, high: number, factor: number): Uint16Array {
  const pixels = new Uint16Array(values.length);
  const span = high - low;
  if (!(span > 0)) return pixels;
  const pixelOf = (value: number) =>
    Math.floor(Math.min(1, Math.max(0, (value * factor - low) / span)) * UINT16_MAX + 0.5);
  if (values.BYTES_PER_ELEMENT <= 2 && values.length > 65_536) {
    // Each of the 65,536 values that there can be is computed once.
    const offset = values instanceof Int16Array || values instanceof Int8Array ? 32_768 : 0;
    const table = new Uint16Array(65_536);
    for (let value = 0; value < 65_536; value += 1) table[value] = pixelOf(value - offset);
    for (let index = 0; index < values.length; index += 1) pixels[index] = table[values[index]! + offset]!;
    return pixels;
  }
  for (let index = 0; index < values.length; index += 1) pixels[index] = pixelOf(values[index]!);
  return pixels;
}

function tissue(values: VoxelValues, padding: Voxels['padding']): VoxelValues {
  if (!padding) return values;
  const kept = (values as Float64Array).filter((value) => value < padding[0] || value > padding[1]);
  return kept.length > 0 ? kept : values;
}

function moments(values: VoxelValues): { mean: number; deviation: number } {
  let sum = 0;
  for (let index = 0; index < values.length; index += 1) sum += values[index]!;
  const mean = sum / values.length;
  let squares = 0;
  for (let index = 0; index < values.length; index += 1) squares += (values[index]! - mean) ** 2;
  return { mean, deviation: Math.sqrt(squares / values.length) };
}

/** Percentiles with linear interpolation between the neighbours, as numpy's default method. */
export function percentiles(values: VoxelValues, [low, high]: readonly [number, number]): [number, number] {
  const valueAt = sortedAccess(values);
  const percentile = (percent: number) => {
    const rank = (percent / 100) * (values.length - 1);
    const below = valueAt(Math.floor(rank));
    return below + (valueAt(Math.ceil(rank)) - below) * (rank - Math.floor(rank));
  };
  return [percentile(low), percentile(high)];
}

/** The value at a rank; 16-bit values are counted, others sorted. */
function sortedAccess(values: VoxelValues): (rank: number) => number {
  const counted = values.BYTES_PER_ELEMENT <= 2 && values.length > 4096;
  if (!counted) {
    const sorted = values.slice().sort();
    return (rank) => sorted[rank] as number;
  }
  const offset = values instanceof Int16Array || values instanceof Int8Array ? 32_768 : 0;
  const counts = new Uint32Array(65_536);
  for (let index = 0; index < values.length; index += 1) counts[(values[index] as number) + offset]! += 1;
  return (rank) => {
    let seen = 0;
    for (let value = 0; value < counts.length; value += 1) {
      seen += counts[value] as number;
      if (seen > rank) return value - offset;
    }
    throw new RangeError(`rank ${rank} of ${values.length} values`);
  };
}
