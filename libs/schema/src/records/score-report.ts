import { z } from 'zod';
import { ContentHash, Slug } from './primitives.js';

export const Protocol = z.enum(['linear-probe', 'knn', 'head']);
export type Protocol = z.infer<typeof Protocol>;

/** What an evaluation computes: entries (checkpoint x protocol), each over the same seeds of labelled images. */
export const EvaluationSpec = z.object({
  title: z.string().min(1).default('Evaluation'),
  dataset: ContentHash,
  task: Slug,
  /** Labelled training images per class that linear probe and kNN may use, drawn by seed; all when absent. */
  labelsPerClass: z.number().int().min(1).optional(),
  seeds: z.array(z.number().int()).min(1).default([0, 1, 2]),
  dimensions: z
    .array(z.union([z.literal(2), z.literal(3)]))
    .min(1)
    .default([2]),
  entries: z
    .array(
      z.object({
        /** The row's name in the table, e.g. `SimCLR`. */
        label: z.string().min(1),
        protocol: Protocol,
        /** One checkpoint, or one per seed (a supervised run per seed). */
        checkpoints: z.array(ContentHash).min(1),
      }),
    )
    .min(1),
});
export type EvaluationSpec = z.infer<typeof EvaluationSpec>;

/** A metric over seeds; `std` is the sample standard deviation (n - 1), 0 for one seed. */
export const MetricSummary = z.object({ mean: z.number(), std: z.number(), values: z.array(z.number()) });
export type MetricSummary = z.infer<typeof MetricSummary>;

export const ScoreRow = z.object({
  label: z.string(),
  protocol: Protocol,
  checkpoints: z.array(ContentHash),
  auc: MetricSummary,
  accuracy: MetricSummary,
  top1: MetricSummary,
  top3: MetricSummary,
  top5: MetricSummary,
  /** Test images, `[true class][predicted class]`, summed over seeds. */
  confusion: z.array(z.array(z.number().int().min(0))),
});
export type ScoreRow = z.infer<typeof ScoreRow>;

/** A planar map of test-set embeddings (UMAP), one per self-supervised checkpoint. */
export const EmbeddingMap = z.object({
  label: z.string(),
  checkpoint: ContentHash,
  /** Of all test embeddings: how far they spread and how many directions they use; both small after a collapse. */
  embeddings: z.object({
    width: z.number().int(),
    /** Standard deviation of the normalised embeddings, times sqrt(width): near 1 spread evenly, near 0 collapsed. */
    std: z.number(),
    effectiveRank: z.number(),
  }),
  points: z.array(z.object({ x: z.number(), y: z.number(), class: z.number().int(), modality: Slug })),
});
export type EmbeddingMap = z.infer<typeof EmbeddingMap>;

export const ScoreReport = z.object({
  kind: z.literal('medformer.score-report.v1'),
  spec: EvaluationSpec,
  datasetName: z.string(),
  synthetic: z.boolean(),
  classes: z.array(z.string()),
  testImages: z.number().int(),
  testSubjects: z.number().int(),
  rows: z.array(ScoreRow),
  embeddingMaps: z.array(EmbeddingMap),
  codeVersion: z.string(),
});
export type ScoreReport = z.infer<typeof ScoreReport>;
