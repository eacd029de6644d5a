import { z } from 'zod';
import { TaskKind } from './dataset-manifest.js';
import { ContentHash, ImageShape, PixelType, Slug, Split } from './primitives.js';

/** What a run does about images or subjects that its data sets share between splits. */
export const LeakagePolicy = z.enum(['refuse', 'warn']);
export type LeakagePolicy = z.infer<typeof LeakagePolicy>;

/** When two images that are not equal count as the same; `docs/data-report.md` says what it was chosen by. */
export const DuplicateRule = z.strictObject({
  /** Bits of 64 in which their perceptual hashes may differ. */
  hashDistance: z.number().int().min(0).max(16).default(8),
  /** What their fine structure has to correlate by. */
  detailCorrelation: z.number().min(0).max(1).default(0.85),
});
export type DuplicateRule = z.infer<typeof DuplicateRule>;

/** What a data report computes. */
export const DataReportSpec = z.object({
  /** Read as one cohort: a copy may lie in another data set. */
  datasets: z.array(ContentHash).min(1),
  /** Whose embeddings images are compared by, beside their pixels. */
  checkpoint: ContentHash.optional(),
  duplicates: DuplicateRule.prefault({}),
  /** Images drawn of each group for the similarities, by `seed`. */
  imagesPerGroup: z.number().int().min(2).max(1000).default(48),
  seed: z.number().int().default(0),
});
export type DataReportSpec = z.infer<typeof DataReportSpec>;

const Count = z.number().int().min(0);

/** An image by its id, never by a file. */
export const ReportedImage = z.object({
  /** Position among the report's data sets. */
  dataset: Count,
  id: z.string(),
  split: Split,
});
export type ReportedImage = z.infer<typeof ReportedImage>;

export const ReportedPair = z.object({
  kind: z.enum(['exact', 'near']),
  images: z.tuple([ReportedImage, ReportedImage]),
  /** The images are of different splits: the one that is tested or validated was trained on. */
  leaks: z.boolean(),
  /** Bits of 64 in which the perceptual hashes differ. */
  hashDistance: Count,
  detailCorrelation: z.number(),
  /** Cosine of the embeddings, less their mean over the drawn images. */
  embeddingCosine: z.number().optional(),
});
export type ReportedPair = z.infer<typeof ReportedPair>;

/** Mean similarity of images of different subjects; null where there is no such pair or they have other axes. */
const Similarity = z.object({
  /** `[group][group]` */
  means: z.array(z.array(z.number().nullable())),
  /** Mean of the diagonal: how homogeneous the groups are. */
  within: z.number().nullable(),
  /** Mean of the rest: the lower, the more heterogeneous the cohort. */
  between: z.number().nullable(),
});
export type Similarity = z.infer<typeof Similarity>;

/** What a cohort is made of, and what of it stands in two splits. Content-addressed; computed once. */
export const DataReport = z.object({
  kind: z.literal('medformer.data-report.v1'),
  spec: DataReportSpec,
  datasets: z.array(
    z.object({
      name: Slug,
      synthetic: z.boolean(),
      images: z.partialRecord(Split, Count),
      subjects: z.partialRecord(Split, Count),
      shapes: z.array(z.object({ shape: ImageShape, pixelType: PixelType, images: Count })),
      balance: z.array(
        z.object({
          task: Slug,
          kind: TaskKind,
          classes: z.array(z.string()),
          /** Images per class; of a multi-label task positives per label. */
          images: z.partialRecord(Split, z.array(Count)),
        }),
      ),
    }),
  ),
  /** Images of one data set, modality, body part and number of axes. */
  groups: z.array(
    z.object({
      dataset: Count,
      modality: Slug,
      bodyPart: Slug,
      axes: z.union([z.literal(2), z.literal(3)]),
      images: Count,
      subjects: Count,
    }),
  ),
  /** Of pixels: Pearson's correlation. Of embeddings: cosine, less their mean. */
  similarity: z.object({ pixels: Similarity, embedding: Similarity.optional() }),
  /** Images of one grey value: none of them counts as another's copy. */
  blankImages: Count,
  /** Of k equal images k - 1 pairs, each with the first. */
  duplicates: z.object({
    exact: z.object({ leaking: Count, within: Count }),
    near: z.object({ leaking: Count, within: Count }),
    /** The leaking ones first, then by correlation; at most so many as a page can show. */
    listed: z.array(ReportedPair),
  }),
  sharedSubjects: z.array(z.object({ dataset: Count, subject: z.string(), splits: z.array(Split) })),
  codeVersion: z.string(),
});
export type DataReport = z.infer<typeof DataReport>;
