import { z } from 'zod';
import { FusionSpec } from './fusion-spec.js';
import { ContentHash, Slug } from './primitives.js';

const Axes = z.union([z.literal(2), z.literal(3)]);
const Count = z.number().int().min(0);
const Share = z.number().min(0).max(1);

/** Which fusions are measured, and by whose embeddings. */
export const FusionQualitySpec = z.strictObject({
  dataset: ContentHash,
  /** Each of its numbers of sources is measured by itself. */
  fusion: FusionSpec,
  /** Fusions 0 to count - 1 of each number of sources. */
  count: z.number().int().min(2).max(4096).default(64),
  /** Whose feature space the Frechet distance is of. */
  checkpoint: ContentHash.optional(),
  /** Only images with so many spatial axes; all when absent. */
  dimensions: Axes.optional(),
});
export type FusionQualitySpec = z.infer<typeof FusionQualitySpec>;

/** Fusions of as many patients, of one modality, body part and number of axes, beside the images they could pass for. */
export const FusionQualityRow = z.object({
  sources: z.number().int().min(1),
  modality: Slug,
  bodyPart: Slug,
  axes: Axes,
  /** How many were measured. */
  fusions: Count,
  /** The split's real images of that kind, and the patients they are of. */
  images: Count,
  patients: Count,
  /** Mean squared jump of grey values across the borders of regions; means over fusions. */
  seam: z.object({
    /** What the sources have at the same places: edges of real scans. */
    expected: z.number(),
    /** How far fusions exceed that before repair, and after it. */
    raw: z.number(),
    repaired: z.number().optional(),
    /** |raw| / |repaired|; null where nothing is left of it. */
    ratio: z.number().nullable().optional(),
  }),
  /** How far the repair moved the means of regions, as a share of the fusion's mean grey value. */
  drift: z.object({ mean: z.number(), largest: z.number() }).optional(),
  /** 1-Wasserstein distance of grey values over [0, 1] to the real images; of two halves of their patients. */
  histogram: z.object({ distance: z.number(), real: z.number().optional() }),
  /** Of embeddings, to halves of the real images; of these halves to each other. Always of `images` each. */
  frechet: z.object({ distance: z.number(), real: z.number(), images: Count, width: Count }).optional(),
  /** Are fusions copies? Correlations of grey values; absent where there is one patient only. */
  memorisation: z
    .object({
      /** Above it a fusion counts as a copy: one real image in a hundred is so near one of another patient. */
      threshold: z.number(),
      /** Share of the fusions that are copies. */
      rate: Share,
      /** Median over fusions of the correlation with the nearest real image. */
      nearest: z.number(),
      /** The same of real images with the nearest of another patient. */
      nearestReal: z.number(),
    })
    .optional(),
  /** Root mean square difference between two images, per voxel; absent of a single one. */
  diversity: z.object({ fusions: z.number(), images: z.number() }).optional(),
});
export type FusionQualityRow = z.infer<typeof FusionQualityRow>;

/** How good fusions are. Content-addressed; computed once. */
export const FusionQuality = z.object({
  kind: z.literal('medformer.fusion-quality.v1'),
  spec: FusionQualitySpec,
  datasetName: Slug,
  synthetic: z.boolean(),
  /** By number of sources as the spec has them, then by kind of image. */
  rows: z.array(FusionQualityRow),
  codeVersion: z.string(),
});
export type FusionQuality = z.infer<typeof FusionQuality>;
