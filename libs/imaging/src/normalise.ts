import type { NormalisationRule, NormalisationStep } from '@medformer/schema';
import type { Voxels, VoxelValues } from './voxels.js';

const UINT16_MAX = 65_535;
/** Up to so many values are taken one by one. */
const FEW = 65_536;

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

/**
 * The pixels that recorded steps make of a decoded file's values.
 * @param consume whether the pixels may take the place of the values, which nobody reads any more.
 */
export function replayNormalisation(
  { values, padding, suvFactor = 1 }: NormalisationInput,
  steps: readonly NormalisationStep[],
  consume = false,
): Uint8Array | Uint16Array {
  const scale = steps.find((step) => step.step === 'scale');
  if (!scale) {
    if (values instanceof Uint8Array || values instanceof Uint16Array) return values;
    throw new RangeError('only 8-bit and 16-bit unsigned values can stay unchanged');
  }
  const factor = steps.some(({ step }) => step === 'suv-body-weight') ? suvFactor : 1;
  const clear = padding && steps.some(({ step }) => step === 'padding-to-low');
  const pixels = scaled(values, scale.low, scale.high, factor, consume && !clear);
  if (clear) {
    for (let index = 0; index < values.length; index += 1) {
      const value = values[index]!;
      if (value >= padding[0] && value <= padding[1]) pixels[index] = 0;
    }
  }
  return pixels;
}

function scaled(
  values: VoxelValues,
  low: number,
  high: number,
  factor: number,
  consume: boolean,
): Uint16Array {
  const span = high - low;
  if (!(span > 0)) return new Uint16Array(values.length);
  const scale = { low, span, factor };
  const bits = values.length > FEW ? bitsOf(values) : undefined;
  if (bits) return looked(bits, tableOf(values, scale), consume);
  const pixels = new Uint16Array(values.length);
  if (values instanceof Float32Array) scaleFloats(values, scale, pixels);
  else for (let index = 0; index < values.length; index += 1) pixels[index] = pixelOf(values[index]!, scale);
  return pixels;
}

interface Scale {
  low: number;
  span: number;
  factor: number;
}

function pixelOf(value: number, { low, span, factor }: Scale): number {
  return Math.floor(Math.min(1, Math.max(0, (value * factor - low) / span)) * UINT16_MAX + 0.5);
}

/** A loop of its own, for engines are fast where a place sees one kind of array. */
function scaleFloats(values: Float32Array, { low, span, factor }: Scale, pixels: Uint16Array): void {
  for (let index = 0; index < values.length; index += 1) {
    const share = (values[index]! * factor - low) / span;
    pixels[index] = share >= 1 ? UINT16_MAX : share > 0 ? Math.floor(share * UINT16_MAX + 0.5) : 0;
  }
}

function looked(bits: Uint8Array | Uint16Array, table: Uint16Array, consume: boolean): Uint16Array {
  const pixels = consume && bits instanceof Uint16Array ? bits : new Uint16Array(bits.length);
  if (bits instanceof Uint16Array) lookUp(bits, table, pixels);
  else for (let index = 0; index < bits.length; index += 1) pixels[index] = table[bits[index]!]!;
  return pixels;
}

function lookUp(bits: Uint16Array, table: Uint16Array, pixels: Uint16Array): void {
  for (let index = 0; index < bits.length; index += 1) pixels[index] = table[bits[index]!]!;
}

/** The same memory as unsigned numbers, of which there can be 256 or 65,536; undefined for wider values. */
function bitsOf(values: VoxelValues): Uint8Array | Uint16Array | undefined {
  const { buffer, byteOffset, length } = values;
  if (values.BYTES_PER_ELEMENT === 1) return new Uint8Array(buffer, byteOffset, length);
  if (values.BYTES_PER_ELEMENT === 2) return new Uint16Array(buffer, byteOffset, length);
  return undefined;
}

let last: { key: string; table: Uint16Array } | undefined;

/** Pixels by the bits of a value, computed once for all images of one window. */
function tableOf(values: VoxelValues, scale: Scale): Uint16Array {
  const key = [values.constructor.name, scale.low, scale.span, scale.factor].join();
  if (last?.key === key) return last.table;
  const count = 2 ** (8 * values.BYTES_PER_ELEMENT);
  const signed = values instanceof Int16Array || values instanceof Int8Array;
  const table = new Uint16Array(count);
  for (let bits = 0; bits < count; bits += 1) {
    table[bits] = pixelOf(signed && bits >= count / 2 ? bits - count : bits, scale);
  }
  last = { key, table };
  return table;
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

/** The value at a rank; 8 and 16-bit values are counted, float32 ones as far as that leads, others sorted. */
function sortedAccess(values: VoxelValues): (rank: number) => number {
  const bits = values.length > 4096 ? bitsOf(values) : undefined;
  if (bits) return countedAccess(values, bits);
  if (values instanceof Float32Array && values.length > FEW) return bucketAccess(values);
  const sorted = values.slice().sort();
  return (rank) => sorted[rank] as number;
}

function countedAccess(values: VoxelValues, bits: Uint8Array | Uint16Array): (rank: number) => number {
  const counts = new Uint32Array(65_536);
  if (bits instanceof Uint16Array) countWords(bits, counts);
  else for (let index = 0; index < bits.length; index += 1) counts[bits[index]!]! += 1;
  const half = values.BYTES_PER_ELEMENT === 1 ? 128 : 32_768;
  const signed = values instanceof Int16Array || values instanceof Int8Array;
  const mask = 2 * half - 1;
  return (rank) => {
    let seen = 0;
    for (let value = signed ? -half : 0; value <= mask; value += 1) {
      seen += counts[value & mask] as number;
      if (seen > rank) return value;
    }
    throw new RangeError(`rank ${rank} of ${values.length} values`);
  };
}

/** In turns into two tables: neighbours are often equal, and would wait for each other. */
function countWords(bits: Uint16Array, counts: Uint32Array): void {
  const others = new Uint32Array(counts.length);
  const even = bits.length & ~1;
  for (let index = 0; index < even; index += 2) {
    counts[bits[index]!]! += 1;
    others[bits[index + 1]!]! += 1;
  }
  if (even < bits.length) counts[bits[even]!]! += 1;
  for (let value = 0; value < counts.length; value += 1) counts[value]! += others[value]!;
}

/** Floats are counted by their upper 16 bits, whose order is theirs; only the bucket that holds a rank is sorted. */
function bucketAccess(values: Float32Array): (rank: number) => number {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const counts = new Uint32Array(65_536);
  for (let index = 0; index < bits.length; index += 1) counts[bucketOf(bits[index]!)]! += 1;
  const sorted = new Map<number, Float32Array>();
  return (rank) => {
    let before = 0;
    let bucket = 0;
    while (before + counts[bucket]! <= rank) {
      before += counts[bucket]!;
      bucket += 1;
    }
    let inside = sorted.get(bucket);
    if (!inside) {
      inside = collected(values, bits, bucket, counts[bucket]!).sort();
      sorted.set(bucket, inside);
    }
    return inside[rank - before] as number;
  };
}

function collected(values: Float32Array, bits: Uint32Array, bucket: number, count: number): Float32Array {
  const inside = new Float32Array(count);
  let filled = 0;
  for (let index = 0; index < bits.length; index += 1) {
    if (bucketOf(bits[index]!) === bucket) inside[filled++] = values[index]!;
  }
  return inside;
}

/** Negative floats rise as their bits fall. */
function bucketOf(bits: number): number {
  const upper = bits >>> 16;
  return upper & 0x8000 ? 0xffff - upper : upper | 0x8000;
}
