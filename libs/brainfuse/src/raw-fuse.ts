import type { FusionSpec, Rng } from '@medformer/schema';
import { type Affine, applyAffine } from './align/affine.js';
import { register } from './align/register.js';
import { type FusionSource, spatialOf } from './fusion-source.js';
import { addWeighted, allValues, copyValues, type GreyValues, greyValues, whiteOf } from './grey-values.js';
import { drawMask, type MaskDraw, maskWeights, visitMask } from './masks/mask.js';
import type { SpanVisitor } from './masks/spans.js';
import { onGrid } from './on-grid.js';
import { quantiles } from './quantiles.js';

/** Quantiles at which two histograms are matched. */
const HISTOGRAM_POINTS = 33;

/** Everything random about one raw fusion. */
export interface FusionDraw {
  /** The source whose grid, and whose grey values, the others are brought to. */
  anchor: number;
  mask: MaskDraw;
}

/** A fusion before anything is repaired. */
export interface RawFusion {
  /** float32 in [0, 1] of `shape`. */
  readonly values: Float32Array;
  /** [...spatial, channels] of the anchor. */
  readonly shape: readonly number[];
  /** Mean weight of each source; sum 1. */
  readonly shares: readonly number[];
  /** [sources, ...spatial]: how much of each source is in each voxel; made when first asked for. */
  readonly weights: Float32Array;
  /** The sources as they went in, on the anchor's grid, [...shape] each; made when first asked for. */
  readonly aligned: readonly Float32Array[];
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
  const parts = alignedSources(spec, sources, anchor);
  const channels = shape.at(-1)!;
  const anchorValues = () => firstChannel(allValues(parts[anchor]!), channels);
  const visit = (visitor: SpanVisitor) =>
    visitMask(mask, sources.length, spatialOf(shape), anchorValues, visitor);

  const voxels = own.pixels.length / channels;
  const { values, sums } = blend(parts, voxels, channels, visit);
  let weights: Float32Array | undefined;
  let aligned: Float32Array[] | undefined;
  return {
    values,
    shape,
    shares: sums.map((sum) => sum / voxels),
    get weights() {
      weights ??= maskWeights(mask, sources.length, spatialOf(shape), anchorValues());
      return weights;
    },
    get aligned() {
      aligned ??= parts.map(allValues);
      return aligned;
    },
  };
}

/** The sources on the anchor's grid, with its grey values and on its anatomy as far as the spec asks for it. */
function alignedSources(spec: FusionSpec, sources: readonly FusionSource[], anchor: number): GreyValues[] {
  const own = sources[anchor]!;
  const target = greyValues(own);
  return sources.map((source, at) => {
    if (at === anchor) return target;
    const values =
      spec.harmonise === 'histogram'
        ? greyValues(source, greyQuantiles(source), greyQuantiles(own))
        : greyValues(source);
    return alignTo(spec, onGrid(values, source, own), source, target, own);
  });
}

const quantilesOf = new WeakMap<FusionSource['pixels'], Float32Array>();

/** Of an image's own grid, in [0, 1]: an image takes part in many fusions, and is sorted once. */
function greyQuantiles({ pixels }: FusionSource): Float32Array {
  const known = quantilesOf.get(pixels);
  if (known) return known;
  const white = whiteOf(pixels);
  const found = quantiles(pixels, HISTOGRAM_POINTS).map((level) => level / white);
  quantilesOf.set(pixels, found);
  return found;
}

/** Moved onto the anchor's anatomy if the spec asks for it; where the source does not reach, the anchor's own values. */
function alignTo(
  { align, harmonise }: FusionSpec,
  values: GreyValues,
  source: FusionSource,
  target: GreyValues,
  anchor: FusionSource,
): GreyValues {
  if (align === 'none') return values;
  const { shape, spacingMm } = anchor.record;
  const spatial = spatialOf(shape);
  const channels = shape.at(-1)!;
  const grid = { spatial, spacing: spacingMm ?? spatial.map(() => 1) };
  const [fixed, moving] = [allValues(target), allValues(values)];
  const affine = mapOf(source, anchor, `${align} ${harmonise}`, () =>
    register(firstChannel(fixed, channels), firstChannel(moving, channels), grid, align),
  );
  return { pixels: applyAffine(moving, grid, channels, affine, fixed) };
}

const mapsOf = new WeakMap<FusionSource['pixels'], WeakMap<FusionSource['pixels'], Map<string, Affine>>>();

/** The map that lays a source on an anchor: a dozen numbers, kept as long as both images are. */
function mapOf(source: FusionSource, anchor: FusionSource, how: string, find: () => Affine): Affine {
  const ofAnchor = mapsOf.get(anchor.pixels) ?? new WeakMap<FusionSource['pixels'], Map<string, Affine>>();
  mapsOf.set(anchor.pixels, ofAnchor);
  const maps = ofAnchor.get(source.pixels) ?? new Map<string, Affine>();
  ofAnchor.set(source.pixels, maps);
  const known = maps.get(how) ?? find();
  maps.set(how, known);
  return known;
}

/** [voxels] of [voxels, channels]. */
function firstChannel(values: Float32Array, channels: number): Float32Array {
  if (channels === 1) return values;
  return Float32Array.from({ length: values.length / channels }, (_, at) => values[at * channels]!);
}

/** The fused values and, per source, the sum of its weights over the voxels. */
function blend(
  parts: readonly GreyValues[],
  voxels: number,
  channels: number,
  visit: (visitor: SpanVisitor) => void,
): { values: Float32Array; sums: number[] } {
  const values = new Float32Array(voxels * channels);
  const sums = parts.map(() => 0);
  visit({
    whole(from, to, source) {
      sums[source]! += to - from;
      copyValues(parts[source]!, from * channels, to * channels, values);
    },
    mixed(from, to, active, weights) {
      for (let offset = 0; offset < active.length; offset += 1) {
        const source = active[offset]!;
        const span = { from, to, offset, stride: active.length, channels };
        sums[source]! += addWeighted(parts[source]!, weights, span, values);
      }
    },
  });
  return { values, sums };
}
