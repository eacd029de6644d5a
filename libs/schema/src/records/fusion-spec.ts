import { z } from 'zod';
import { ContentHash, Slug, Split } from './primitives.js';

const Cells = z.number().int().min(1).max(64);

/** How a fusion's regions are drawn: which source a voxel comes from, and how softly one region becomes the next. */
export const MaskSpec = z.discriminatedUnion('strategy', [
  /** Softmax of one random low-frequency field per source: a smooth partition of unity. */
  z.object({
    strategy: z.literal('smooth-fields'),
    /** Cells of the fields' lattice along the longest axis. */
    cells: Cells.default(4),
    /** Factor on the fields, of unit variance, before the softmax: the higher, the harder the borders. */
    sharpness: z.number().positive().max(1000).default(24),
  }),
  /** Nearest of random centres; `softness` is the border's width as a share of the longest edge, 0 for a cut. */
  z.object({
    strategy: z.literal('voronoi'),
    /** Centres of each source. */
    centres: z.number().int().min(1).max(64).default(2),
    softness: z.number().min(0).max(1).default(0.04),
  }),
  /** A checkerboard of equal blocks, each of one source. */
  z.object({ strategy: z.literal('blocks'), cells: Cells.default(3) }),
  /** Classes of the anchor's grey values, cut at its quantiles: each class is taken from one source. */
  z.object({ strategy: z.literal('tissue'), classes: z.number().int().min(2).max(32).default(4) }),
]);
export type MaskSpec = z.infer<typeof MaskSpec>;

/** Everything that decides what fusion number i of a data set is, but for the data set itself. */
export const FusionSpec = z.strictObject({
  /** How many patients one fusion is of, each number equally likely. */
  sources: z.array(z.number().int().min(1).max(256)).min(1).default([2, 8]),
  mask: MaskSpec.prefault({ strategy: 'smooth-fields' }),
  /** Sources are brought to the anchor's grid by their spacing, then, if asked for, onto its anatomy by intensity. */
  align: z.enum(['none', 'rigid', 'affine']).default('none'),
  /** `histogram`: each source's grey values are mapped onto the anchor's by their quantiles. */
  harmonise: z.enum(['none', 'histogram']).default('histogram'),
  /** Tasks whose label all sources share, e.g. the level a slice lies at. */
  match: z.array(Slug).default([]),
  /** Fuse across what is otherwise refused. */
  across: z
    .strictObject({ modality: z.boolean().default(false), bodyPart: z.boolean().default(false) })
    .prefault({}),
  /** Which split the sources are of; never of two. */
  split: Split.default('train'),
  /** Repairs raw fusions: BrainFuse. Without it they stay raw: RawBrainFuse. */
  generator: ContentHash.optional(),
  seed: z.number().int().default(0),
});
export type FusionSpec = z.infer<typeof FusionSpec>;

/** Fusions that a run adds to its batches, made while it trains: the same bytes as stored ones of the same numbers. */
export const RunFusion = z.strictObject({
  spec: FusionSpec.prefault({}),
  /** Fused images for each image of a batch. */
  perImage: z.number().positive().max(16).default(0.5),
  /** The run has fusions 0 to count - 1, each again and again; without it hardly any comes twice. */
  count: z.number().int().min(1).optional(),
});
export type RunFusion = z.infer<typeof RunFusion>;

/** What an image was fused of. No patient, no pseudonym: the sources' hashes and their shares of the voxels. */
export const FusionRecord = z.object({
  /** Number of the fusion: with the spec and the data set it gives the same bytes again. */
  index: z.number().int().min(0),
  /** Shares sum to 1: the mean weight of a source over the voxels. */
  sources: z.array(z.object({ source: ContentHash, share: z.number().min(0).max(1) })).min(1),
});
export type FusionRecord = z.infer<typeof FusionRecord>;
