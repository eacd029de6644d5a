import {
  contentAddress,
  type FusionSpec,
  type ImageRecord,
  type LabelSpace,
  MedformerError,
  Rng,
} from '@medformer/schema';
import { drawSources, type FusionPool } from './fusion-pools.js';
import type { FusionSource } from './fusion-source.js';
import { whiteOf } from './grey-values.js';
import { mixLabels } from './label-mixture.js';
import { drawFusion, type FusionDraw, type RawFusion, rawFuse } from './raw-fuse.js';

/** A fused image, ready to be stored, and what it was made of. */
export interface Fusion {
  /** Less its place in a shard. `source` is the address of the spec, the sources and the index. */
  record: Omit<ImageRecord, 'tensor' | 'row'>;
  /** As stored: [...record.shape] of the anchor's pixel type. */
  pixels: Uint8Array | Uint16Array;
  raw: RawFusion;
  /** In the order of `raw.weights` and of `record.fusion.sources`. */
  sources: FusionSource[];
}

/** Makes one raw fusion plausible: float32 [0, 1] of `raw.shape` from the same. */
export type Repair = (raw: RawFusion) => Float32Array;

/** Fusion number `index` of these pools: the same arguments give the same bytes. */
export function fusionAt(
  pools: readonly FusionPool[],
  spec: FusionSpec,
  spaces: readonly LabelSpace[],
  index: number,
  repair?: Repair,
): Fusion {
  return fuse(sourcesAt(pools, spec, index), spec, spaces, index, repair);
}

/** The source of fusion number `index` whose shape, pixel type, modality and body part it has. */
export function anchorAt(pools: readonly FusionPool[], spec: FusionSpec, index: number): FusionSource {
  const sources = inOrder(sourcesAt(pools, spec, index));
  return sources[drawOf(sources, spec, index).anchor]!;
}

/**
 * Fuses these images. Their order changes the order of the record's sources and nothing else.
 *
 * @throws MedformerError INVALID_ARGUMENT for sources of two splits, or of modalities or body parts that the spec does
 * not let mix, or of different axes or channels
 */
export function fuse(
  given: readonly FusionSource[],
  spec: FusionSpec,
  spaces: readonly LabelSpace[],
  index: number,
  repair?: Repair,
): Fusion {
  refuseIncompatible(given, spec);
  const sources = inOrder(given);
  const draw = drawOf(sources, spec, index);
  const raw = rawFuse(spec, sources, draw);
  const anchor = sources[draw.anchor]!;
  const { modality, bodyPart, shape, pixelType, spacingMm, split } = anchor.record;
  const parts = sources.map(({ record }, at) => ({ source: record.source, share: raw.shares[at]! }));
  const source = contentAddress({ spec, index, sources: parts.map((part) => part.source) });
  const id = source.slice(0, 16);
  const { labels, mixtures } = mixLabels(
    sources.map(({ record }) => record),
    raw.shares,
    spaces,
  );
  return {
    record: {
      id,
      subject: `fusion-${id}`,
      split,
      modality,
      bodyPart,
      shape,
      pixelType,
      ...(spacingMm ? { spacingMm } : {}),
      labels,
      ...(Object.keys(mixtures).length > 0 ? { mixtures } : {}),
      source,
      fusion: { index, sources: parts },
    },
    pixels: quantise(repair ? repair(raw) : raw.values, anchor.pixels),
    raw,
    sources,
  };
}

function sourcesAt(pools: readonly FusionPool[], spec: FusionSpec, index: number): FusionSource[] {
  return drawSources(pools, spec, Rng.of(spec.seed, 'fusion sources', index));
}

function inOrder(sources: readonly FusionSource[]): FusionSource[] {
  return [...sources].sort((a, b) => (a.record.id < b.record.id ? -1 : 1));
}

function drawOf(sources: readonly FusionSource[], spec: FusionSpec, index: number): FusionDraw {
  return drawFusion(spec, sources, Rng.of(spec.seed, 'fusion', index));
}

function refuseIncompatible(sources: readonly FusionSource[], { across }: FusionSpec): void {
  const [first] = sources;
  if (!first) throw new MedformerError('INVALID_ARGUMENT', 'fusion: sources: expected at least 1, found 0');
  const same = (field: string, of: (record: ImageRecord) => string | number) => {
    const found = new Set(sources.map(({ record }) => of(record)));
    if (found.size <= 1) return;
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `fusion: ${field}: expected one for all sources, found ${[...found].sort().join(', ')}`,
    );
  };
  same('split', ({ split }) => split);
  same('spatial axes', ({ shape }) => shape.length - 1);
  same('channels', ({ shape }) => shape.at(-1)!);
  if (!across.modality) same('modality', ({ modality }) => modality);
  if (!across.bodyPart) same('body part', ({ bodyPart }) => bodyPart);
}

function quantise(values: Float32Array, like: Uint8Array | Uint16Array): Uint8Array | Uint16Array {
  const white = whiteOf(like);
  const out = like instanceof Uint16Array ? new Uint16Array(values.length) : new Uint8Array(values.length);
  for (let at = 0; at < values.length; at += 1) {
    const level = values[at]! * white + 0.5;
    out[at] = level > white ? white : Math.max(level, 0);
  }
  return out;
}
