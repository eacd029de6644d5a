import { z } from 'zod';
import { TaskKind } from './dataset-manifest.js';
import { BootstrapSpec, ClassScores, EvaluationMetric, Interval, PairedTest } from './evaluation-metric.js';
import { LABEL_DRAW, type LabelDraw, oneLabelDraw } from './label-draw.js';
import { ContentHash, Slug } from './primitives.js';

export const Protocol = z.enum(['linear-probe', 'knn', 'head']);
export type Protocol = z.infer<typeof Protocol>;

/** What an evaluation computes: entries (checkpoint x protocol), each over the same seeds of labelled images. */
export const EvaluationSpec = z
  .object({
    title: z.string().min(1).default('Evaluation'),
    dataset: ContentHash,
    /**
     * Where linear probe and kNN take their training images, if not from the data set that is scored: another site,
     * modality or size. Same classes, and no subject on both sides.
     */
    trainDataset: ContentHash.optional(),
    task: Slug,
    /** The images that are scored; `val` picks a model, so that `test` judges it once. */
    split: z.enum(['val', 'test']).default('test'),
    /** Images of these modalities only are scored; all when absent. */
    modalities: z.array(Slug).min(1).optional(),
    /** What linear probe and kNN may use of the training images; an entry may say otherwise. */
    ...LABEL_DRAW,
    seeds: z.array(z.number().int()).min(1).default([0, 1, 2]),
    dimensions: z
      .array(z.union([z.literal(2), z.literal(3)]))
      .min(1)
      .default([2]),
    entries: z
      .array(
        z
          .object({
            /** The row's name in the table, e.g. `SimCLR`. */
            label: z.string().min(1),
            protocol: Protocol,
            /** One checkpoint, or one per seed (a supervised run per seed). */
            checkpoints: z.array(ContentHash).min(1),
            ...LABEL_DRAW,
            /** Linear probe and kNN learn from training images of these modalities only; of all when absent. */
            labelModalities: z.array(Slug).min(1).optional(),
          })
          .refine(oneLabelDraw.holds, { path: ['labelFraction'], error: oneLabelDraw.error }),
      )
      .min(1),
    /** Confidence intervals of every metric; none when absent. */
    intervals: BootstrapSpec.optional(),
    /** Pairs of entries, by position, that are tested against each other on the same images. */
    compare: z.array(z.tuple([z.number().int().min(0), z.number().int().min(0)])).default([]),
  })
  .refine(oneLabelDraw.holds, { path: ['labelFraction'], error: oneLabelDraw.error })
  .refine(
    ({ entries, compare }) =>
      compare.every((pair) => pair[0] !== pair[1] && pair.every((at) => at < entries.length)),
    { path: ['compare'], error: 'expected pairs of two positions among entries, from 0' },
  );
export type EvaluationSpec = z.infer<typeof EvaluationSpec>;

/** What an entry's linear probe or kNN may use: what it says itself, else what the evaluation says. */
export function labelDrawOf(spec: LabelDraw, entry: LabelDraw): LabelDraw {
  const says = ({ labelsPerClass, labelFraction }: LabelDraw) => labelsPerClass ?? labelFraction;
  const { labelsPerClass, labelFraction } = says(entry) === undefined ? spec : entry;
  return { labelsPerClass, labelFraction };
}

/** A metric over seeds; `std` is the sample standard deviation (n - 1), 0 for one seed. */
export const MetricSummary = z.object({ mean: z.number(), std: z.number(), values: z.array(z.number()) });
export type MetricSummary = z.infer<typeof MetricSummary>;

export const ScoreRow = z.object({
  label: z.string(),
  protocol: Protocol,
  checkpoints: z.array(ContentHash),
  auc: MetricSummary,
  accuracy: MetricSummary,
  averagePrecision: MetricSummary.optional(),
  /** Macro. */
  f1: MetricSummary.optional(),
  balancedAccuracy: MetricSummary.optional(),
  /** Expected calibration error in 15 bins. */
  calibrationError: MetricSummary.optional(),
  /** Absent of multi-label tasks. */
  top1: MetricSummary.optional(),
  top3: MetricSummary.optional(),
  top5: MetricSummary.optional(),
  /** Scored images, `[true class][predicted class]`, summed over seeds; empty of multi-label tasks. */
  confusion: z.array(z.array(z.number().int().min(0))),
  /** Means over seeds, one per class or label. */
  perClass: z.array(ClassScores).default([]),
  /** Of the means over seeds, over subjects. */
  intervals: z.partialRecord(EvaluationMetric, Interval).optional(),
  /** Keys of scored images that a checkpoint has no code for, such as `modality mri`: the shared code stood in. */
  sharedCodes: z.array(z.string()).optional(),
  /** Shapes of scored images that training did not see, and what they were brought to: `96 x 96 to 28 x 28`. */
  resampled: z.array(z.string()).optional(),
  /** The scores themselves: a safetensors blob with a tensor `[images, classes]` per seed, in the order of the record. */
  scores: z.object({ sha256: ContentHash, bytes: z.number().int() }).optional(),
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
  points: z.array(
    z.object({
      x: z.number(),
      y: z.number(),
      /** Absent where an image may be of several. */
      class: z.number().int().optional(),
      modality: Slug,
    }),
  ),
});
export type EmbeddingMap = z.infer<typeof EmbeddingMap>;

export const ScoreReport = z.object({
  kind: z.literal('medformer.score-report.v1'),
  spec: EvaluationSpec,
  datasetName: z.string(),
  synthetic: z.boolean(),
  /** Of the task; absent in reports from before there was more than one class per image. */
  taskKind: TaskKind.optional(),
  classes: z.array(z.string()),
  testImages: z.number().int(),
  testSubjects: z.number().int(),
  rows: z.array(ScoreRow),
  tests: z.array(PairedTest).default([]),
  embeddingMaps: z.array(EmbeddingMap),
  /** What stands in two splits of the scored data set and those trained on: the scores are too high. */
  leakage: z.string().optional(),
  codeVersion: z.string(),
});
export type ScoreReport = z.infer<typeof ScoreReport>;
