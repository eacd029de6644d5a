import type { FusionSource } from './fusion-source.js';
import { spatialOf } from './fusion-source.js';
import { allValues, type GreyValues } from './grey-values.js';

/**
 * A source's grey values on the anchor's grid: middle on middle, by the millimetres of both where both say them, else edge
 * on edge. What lies outside the source is its nearest border.
 */
export function onGrid(values: GreyValues, source: FusionSource, anchor: FusionSource): GreyValues {
  if (isSameGrid(source, anchor)) return values;
  const from = spatialOf(source.record.shape);
  const to = spatialOf(anchor.record.shape);
  const steps = to.map((edge, axis) => {
    const [mine, theirs] = [source.record.spacingMm?.[axis], anchor.record.spacingMm?.[axis]];
    return mine && theirs ? theirs / mine : from[axis]! / edge;
  });
  return { pixels: resampleLinear(allValues(values), from, to, steps, source.record.shape.at(-1)!) };
}

function isSameGrid({ record: a }: FusionSource, { record: b }: FusionSource): boolean {
  if (a.shape.join() !== b.shape.join()) return false;
  return !a.spacingMm || !b.spacingMm || a.spacingMm.join() === b.spacingMm.join();
}

function resampleLinear(
  pixels: Float32Array,
  from: readonly number[],
  to: readonly number[],
  steps: readonly number[],
  channels: number,
): Float32Array {
  let current = pixels;
  let shape = [...from];
  for (let axis = 0; axis < to.length; axis += 1) {
    current = resampleAxis(current, shape, axis, to[axis]!, steps[axis]!, channels);
    shape = shape.with(axis, to[axis]!);
  }
  return current;
}

function resampleAxis(
  pixels: Float32Array,
  shape: readonly number[],
  axis: number,
  edge: number,
  step: number,
  channels: number,
): Float32Array {
  const inner = shape.slice(axis + 1).reduce((product, each) => product * each, channels);
  const outer = shape.slice(0, axis).reduce((product, each) => product * each, 1);
  const old = shape[axis]!;
  const out = new Float32Array(outer * edge * inner);
  for (let at = 0; at < edge; at += 1) {
    const place = Math.min(old - 1, Math.max(0, (old - 1) / 2 + (at - (edge - 1) / 2) * step));
    const low = Math.floor(place);
    const high = Math.min(old - 1, low + 1);
    const share = place - low;
    for (let block = 0; block < outer; block += 1) {
      const [a, b, target] = [
        (block * old + low) * inner,
        (block * old + high) * inner,
        (block * edge + at) * inner,
      ];
      for (let i = 0; i < inner; i += 1)
        out[target + i] = pixels[a + i]! * (1 - share) + pixels[b + i]! * share;
    }
  }
  return out;
}
