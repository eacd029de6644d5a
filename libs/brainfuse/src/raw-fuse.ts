import type { FusionSpec, Rng } from '@medformer/schema';
import { applyAffine } from './align/affine.js';
import { register } from './align/register.js';
import { type FusionSource, spatialOf } from './fusion-source.js';
import { drawMask, type MaskDraw, maskWeights } from './masks/mask.js';
import { matchHistogram } from './match-histogram.js';
import { onGrid, unitPixels } from './on-grid.js';

/** Everything random about one raw fusion. */
export interface FusionDraw {
  /** The source whose grid, and whose grey values, the others are brought to. */
  anchor: number;
  mask: MaskDraw;
}

/** A fusion before anything is repaired. */
export interface RawFusion {
  /** float32 in [0, 1] of the anchor's shape. */
  values: Float32Array;
  /** [sources, ...spatial]: how much of each source is in each voxel. */
  weights: Float32Array;
  /** The sources as they went in, on the anchor's grid, [...shape] each. */
  aligned: Float32Array[];
  shape: number[];
  /** Mean weight of each source; sum 1. */
  shares: number[];
}

/** Draws a fusion of these sources, which have an order that does not depend on how they were named. */
export function drawFusion(spec: FusionSpec, sources: readonly FusionSource[], rng: Rng): FusionDraw {
  const anchor = rng.integer(sources.length);
  return {
    anchor,
    mask: drawMask(spec.mask, sources.length, spatialOf(sources[anchor]!.record.shape), rng),
  };
}

/** Applies a draw: each voxel is the mean of the sources by their weights there. One source comes back as it is. */
export function rawFuse(
  spec: FusionSpec,
  sources: readonly FusionSource[],
  { anchor, mask }: FusionDraw,
): RawFusion {
  const own = sources[anchor]!;
  const { shape } = own.record;
  const target = unitPixels(own);
  const aligned = sources.map((source, at) => {
    if (at === anchor) return target;
    const values = onGrid(source, own);
    return alignTo(
      spec,
      spec.harmonise === 'histogram' ? matchHistogram(values, target) : values,
      target,
      own,
    );
  });
  const channels = shape.at(-1)!;
  const voxels = target.length / channels;
  const first =
    channels === 1 ? target : Float32Array.from({ length: voxels }, (_, at) => target[at * channels]!);
  const weights = maskWeights(mask, sources.length, spatialOf(shape), first);
  return {
    values: blend(aligned, weights, channels),
    weights,
    aligned,
    shape: [...shape],
    shares: sources.map((_, at) => mean(weights.subarray(at * voxels, (at + 1) * voxels))),
  };
}

/** The values moved onto the target's anatomy, if the spec asks for it. */
function alignTo(
  { align }: FusionSpec,
  values: Float32Array,
  target: Float32Array,
  { record: { shape, spacingMm } }: FusionSource,
): Float32Array {
  if (align === 'none') return values;
  const spatial = spatialOf(shape);
  const channels = shape.at(-1)!;
  const grid = { spatial, spacing: spacingMm ?? spatial.map(() => 1) };
  const affine = register(firstChannel(target, channels), firstChannel(values, channels), grid, align);
  return applyAffine(values, grid, channels, affine);
}

/** [voxels] of [voxels, channels]. */
function firstChannel(values: Float32Array, channels: number): Float32Array {
  if (channels === 1) return values;
  return Float32Array.from({ length: values.length / channels }, (_, at) => values[at * channels]!);
}

function blend(images: readonly Float32Array[], weights: Float32Array, channels: number): Float32Array {
  const length = images[0]!.length;
  const voxels = length / channels;
  const out = new Float32Array(length);
  images.forEach((image, source) => {
    const own = weights.subarray(source * voxels, (source + 1) * voxels);
    for (let voxel = 0; voxel < voxels; voxel += 1) {
      const weight = own[voxel]!;
      if (weight === 0) continue;
      for (let at = voxel * channels; at < (voxel + 1) * channels; at += 1) out[at]! += weight * image[at]!;
    }
  });
  return out;
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
