import type { NormalisationRule } from '@medformer/schema';
import type { Voxels, VoxelValues } from './voxels.js';

const UINT16_MAX = 65_535;

/** Rules by modality; any other modality takes `OTHER_RULE`. */
const RULES: Record<string, NormalisationRule> = {
  ct: { rule: 'hu-window', low: -1000, high: 1000 },
  mri: { rule: 'percentile', low: 1, high: 99.5 },
  pet: { rule: 'percentile', low: 0, high: 99.9 },
};
const OTHER_RULE: NormalisationRule = { rule: 'percentile', low: 0.5, high: 99.5 };

export function ruleFor(modality: string): NormalisationRule {
  return RULES[modality] ?? OTHER_RULE;
}

/**
 * Values as pixels over [0, 1]: clipped to the rule's range, mapped linearly to 0-65535 and rounded half up. 8-bit
 * values stay as they are; `unchanged` also keeps 16-bit values. An image of one value becomes all zeros.
 *
 * @throws RangeError for `unchanged` on values that are neither uint8 nor uint16.
 */
export function normalise(
  { values }: Pick<Voxels, 'values'>,
  rule: NormalisationRule,
): Uint8Array | Uint16Array {
  if (values instanceof Uint8Array) return values;
  if (rule.rule === 'unchanged') {
    if (values instanceof Uint16Array) return values;
    throw new RangeError('only 8-bit and 16-bit unsigned values can stay unchanged');
  }
  const [low, high] =
    rule.rule === 'hu-window' ? [rule.low, rule.high] : percentiles(values, [rule.low, rule.high]);
  const pixels = new Uint16Array(values.length);
  const span = high - low;
  if (!(span > 0)) return pixels;
  for (let index = 0; index < values.length; index += 1) {
    const share = ((values[index] as number) - low) / span;
    pixels[index] = Math.floor(Math.min(1, Math.max(0, share)) * UINT16_MAX + 0.5);
  }
  return pixels;
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
