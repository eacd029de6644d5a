import { z } from 'zod';

/** The percentile bootstrap over subjects of the scored images. */
export const BootstrapSpec = z.strictObject({
  resamples: z.number().int().min(100).max(100_000).default(1000),
  /** Share of resamples inside an interval. */
  level: z.number().gt(0).lt(1).default(0.95),
  seed: z.number().int().default(0),
});
export type BootstrapSpec = z.infer<typeof BootstrapSpec>;

export const Interval = z.object({ low: z.number(), high: z.number() });
export type Interval = z.infer<typeof Interval>;

/** Of the images of one class or, of multi-label tasks, of one label. A value with nothing to divide by is absent. */
export const ClassScores = z.object({
  /** How many images are of the class. */
  images: z.number().int().min(0),
  recall: z.number().optional(),
  precision: z.number().optional(),
  f1: z.number().optional(),
});
export type ClassScores = z.infer<typeof ClassScores>;

/** What every row of a report has, whatever the task kind. */
export const EvaluationMetric = z.enum([
  'auc',
  'accuracy',
  'averagePrecision',
  'f1',
  'balancedAccuracy',
  'calibrationError',
]);
export type EvaluationMetric = z.infer<typeof EvaluationMetric>;

/** A test of two rows of a report on the same images. */
export const PairedTest = z.object({
  /** Positions among the rows. */
  first: z.number().int().min(0),
  second: z.number().int().min(0),
  metric: EvaluationMetric,
  /**
   * `paired-bootstrap`: of the means over seeds, over subjects. `delong` (areas) and `mcnemar-exact` (accuracies) take
   * images to be independent, and compare the runs of one seed.
   */
  test: z.enum(['paired-bootstrap', 'delong', 'mcnemar-exact']),
  seed: z.number().int().optional(),
  /** First less second. */
  difference: z.number(),
  interval: Interval.optional(),
  /** Two-sided. */
  p: z.number(),
});
export type PairedTest = z.infer<typeof PairedTest>;
