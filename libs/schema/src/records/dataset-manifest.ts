import { z } from 'zod';
import { FusionSpec } from './fusion-spec.js';
import { ContentHash, ImageShape, PixelType, Slug, Split } from './primitives.js';

/** Task kinds as MedMNIST's info file distinguishes them. */
export const TaskKind = z.enum(['multi-class', 'binary', 'multi-label', 'ordinal']);
export type TaskKind = z.infer<typeof TaskKind>;

export const LabelSpace = z.object({
  task: Slug,
  kind: TaskKind,
  classes: z.array(z.string().min(1)).min(2),
});
export type LabelSpace = z.infer<typeof LabelSpace>;

/**
 * How stored values become pixels over [0, 1]: values are clipped to [low, high] and mapped to uint16. `hu-window` gives
 * the range in Hounsfield units, `percentile` in percent of the image's own values, `z-score` in standard deviations
 * from their mean, `suv-window` in g/ml of body weight, where the file tells how to compute that; where it does not,
 * in percent as `otherwise` says. Images that come with 8 bits stay as they are under every rule. What an image of
 * each rule went through stands in its own record.
 */
export const NormalisationRule = z.discriminatedUnion('rule', [
  z.object({ rule: z.literal('unchanged') }),
  z.object({ rule: z.literal('hu-window'), low: z.number(), high: z.number() }),
  z.object({ rule: z.literal('percentile'), low: z.number().min(0), high: z.number().max(100) }),
  z.object({ rule: z.literal('z-score'), low: z.number(), high: z.number() }),
  z.object({
    rule: z.literal('suv-window'),
    low: z.number(),
    high: z.number(),
    otherwise: z.object({ low: z.number().min(0), high: z.number().max(100) }),
  }),
]);
export type NormalisationRule = z.infer<typeof NormalisationRule>;

/**
 * What images are brought to: edges in pixels, or millimetres along an edge of one. The values count from the last axis
 * on (columns, rows, slices); an axis without one stays.
 */
export const Resampling = z.discriminatedUnion('to', [
  z.object({ to: z.literal('shape'), values: z.array(z.number().int().min(1).max(65_535)).min(2).max(3) }),
  z.object({ to: z.literal('spacing'), values: z.array(z.number().positive()).min(2).max(3) }),
]);
export type Resampling = z.infer<typeof Resampling>;

const Count = z.number().int().min(0);

/**
 * The commit point of a dataset: a dataset exists when this record does, and then every shard it names does too.
 * Its content address covers the shards by their hashes, and those cover the images and their records.
 */
export const DatasetManifest = z.object({
  kind: z.literal('medformer.dataset.v1'),
  name: Slug,
  description: z.string(),
  source: z.object({
    /** e.g. `medmnist-npz`, `image-folder`. */
    format: Slug,
    /** True for generated data; every table made from it says so. */
    synthetic: z.boolean(),
    /** SHA-256 over the sorted (path, sha256) pairs of the ingested files and the ingest options. */
    digest: ContentHash,
    files: Count,
    bytes: Count,
  }),
  /** Of fused data: the data set it was made from, and how. Each image's record says which fusion it is. */
  fusion: z.object({ dataset: ContentHash, spec: FusionSpec }).optional(),
  deidentification: z.object({
    profile: z.string(),
    notes: z.array(z.string()),
    /** Of DICOM files: the options of PS3.15 section E.3, the edition of its table, and what was done to each file. */
    options: z.array(z.string()).optional(),
    tableEdition: z.string().optional(),
    /** Addresses of DeidentificationAudit records, which cover the files between them. */
    audits: z.array(ContentHash).optional(),
  }),
  /** By modality, e.g. `{ ct: { rule: 'hu-window', low: -1000, high: 1000 } }`. */
  normalisation: z.record(Slug, NormalisationRule),
  /** Absent where images have the edges that they came with. */
  resampling: Resampling.optional(),
  splits: z.object({
    policy: z.enum(['given', 'by-subject']),
    seed: z.number().int(),
    fractions: z.record(Split, z.number()).optional(),
  }),
  labelSpaces: z.array(LabelSpace),
  census: z.object({
    images: z.partialRecord(Split, Count),
    subjects: z.partialRecord(Split, Count),
    modalities: z.record(Slug, Count),
    bodyParts: z.record(Slug, Count),
    shapes: z.array(z.object({ shape: ImageShape, pixelType: PixelType, images: Count })),
    /** task -> split -> images per class (multi-label: positives per label). */
    labels: z.record(Slug, z.partialRecord(Split, z.array(Count))),
  }),
  shards: z.array(z.object({ sha256: ContentHash, bytes: Count, images: Count })),
  codeVersion: z.string().min(1),
});
export type DatasetManifest = z.infer<typeof DatasetManifest>;
