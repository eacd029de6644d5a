import { z } from 'zod';
import { FusionRecord } from './fusion-spec.js';
import { ContentHash, ImageShape, PixelType, Slug, Split } from './primitives.js';

/**
 * What an image's values went through from the decoded file to its pixels, in order; replayed on the same file they
 * give the same pixels. `suv-body-weight` multiplies by the factor that the file's own attributes give, so that no
 * patient's weight or dose stands here; `scale` maps [low, high] to 0-65535 after clipping and rounds half up;
 * `resample` brings the pixels to other spatial edges over the same field of view, linear and anti-aliased.
 */
export const NormalisationStep = z.discriminatedUnion('step', [
  z.object({ step: z.literal('suv-body-weight') }),
  z.object({ step: z.literal('padding-to-low') }),
  z.object({ step: z.literal('scale'), low: z.number(), high: z.number() }),
  z.object({
    step: z.literal('resample'),
    edges: z.array(z.number().int().min(1).max(65_535)).min(2).max(3),
  }),
]);
export type NormalisationStep = z.infer<typeof NormalisationStep>;

/**
 * What is known of one image in a shard. No file name, no patient value: `subject` is a pseudonym and `source`
 * the hash of the bytes that were ingested.
 */
export const ImageRecord = z.object({
  /** Stable across ingests of the same bytes: the first 16 hex digits of SHA-256(source, frame). */
  id: z.string().regex(/^[0-9a-f]{16}$/),
  subject: z.string().min(1).max(128),
  split: Split,
  modality: Slug,
  bodyPart: Slug,
  shape: ImageShape,
  pixelType: PixelType,
  /** Millimetres per voxel in the order of the spatial axes of `shape`; absent when the source does not say. */
  spacingMm: z.array(z.number().positive()).min(2).max(3).optional(),
  /**
   * Where the last axes of `shape` before the channels run to, `RAS`: columns to the patient's right, rows to anterior,
   * slices to superior, as closely as flips and permutations allow. Absent when the source does not say.
   */
  orientation: z.literal('RAS').optional(),
  /** Class index per task (multi-class, binary, ordinal) or one 0/1 per label (multi-label). */
  labels: z.record(Slug, z.union([z.number().int().min(0), z.array(z.number().int().min(0).max(1))])),
  source: ContentHash,
  /** Absent where the stored values are the pixels. */
  normalisation: z.array(NormalisationStep).optional(),
  /** Of a fused image: what it was fused of. */
  fusion: FusionRecord.optional(),
  /** Of a fused image: probabilities of the classes per task, which sum to 1, where its sources' labels differ. */
  mixtures: z.record(Slug, z.array(z.number().min(0).max(1))).optional(),
  /** The shard's tensor that holds the pixels, `[images, ...shape]`, and this image's row in it. */
  tensor: z.string(),
  row: z.number().int().min(0),
});
export type ImageRecord = z.infer<typeof ImageRecord>;

/** The key in a shard's safetensors metadata under which the image records stand, as a JSON array. */
export const SHARD_RECORDS_KEY = 'medformer.images';

/** No shard is larger: one PUT carries it, so that no half-written shard can exist. */
export const MAX_SHARD_BYTES = 64 * 1024 * 1024;
