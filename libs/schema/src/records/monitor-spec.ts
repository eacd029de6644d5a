import { z } from 'zod';
import { Slug } from './primitives.js';

const Count = z.number().int().min(1);

/** Protocols that score frozen features, as an evaluation's do. */
export const OnlineProtocol = z.enum(['knn', 'linear-probe']);
export type OnlineProtocol = z.infer<typeof OnlineProtocol>;

/** Scores of the features of validation images, by features of labelled training images; both in [0, 1]. */
export const OnlineScores = z.partialRecord(
  OnlineProtocol,
  z.object({ accuracy: z.number(), auc: z.number() }),
);
export type OnlineScores = z.infer<typeof OnlineScores>;

/** Online evaluation: how well the present features tell a task's classes apart. The training itself never sees it. */
export const MonitorSpec = z.strictObject({
  /** Steps from one evaluation to the next; the last step has one too. */
  every: Count.default(50),
  task: Slug,
  protocols: z.array(OnlineProtocol).min(1).default(['knn']),
  /** Labelled training images per class, drawn by `labelSeed`; all when absent. */
  labelsPerClass: Count.optional(),
  labelSeed: z.number().int().default(0),
  /** Validation images that are scored at most, drawn once: what an evaluation costs grows with them. */
  images: Count.default(1000),
});
export type MonitorSpec = z.infer<typeof MonitorSpec>;

/** What a run is judged by while it trains: its loss, which falls, or an online score, which rises. */
export const RunMetric = z.enum([
  'loss',
  'knn-accuracy',
  'knn-auc',
  'linear-probe-accuracy',
  'linear-probe-auc',
]);
export type RunMetric = z.infer<typeof RunMetric>;

/** When a run ends before its last step. Its weights are then those of the step at which it ends. */
export const EarlyStopSpec = z.strictObject({
  /** What has to get better: the loss falls, the others rise. */
  metric: RunMetric.default('loss'),
  /** Steps without a better value after which the run ends. */
  patience: Count,
  /** By how much a value has to beat the best one to count as better. */
  minDelta: z.number().min(0).default(0),
  /** The loss is judged by its mean over this many last steps: that of one batch is noise. */
  window: Count.default(20),
});
export type EarlyStopSpec = z.infer<typeof EarlyStopSpec>;

/** Protocol and score that an online metric names; undefined for the loss. */
export function onlineMetric(
  metric: RunMetric,
): { protocol: OnlineProtocol; score: 'accuracy' | 'auc' } | undefined {
  if (metric === 'loss') return undefined;
  const at = metric.lastIndexOf('-');
  return {
    protocol: metric.slice(0, at) as OnlineProtocol,
    score: metric.slice(at + 1) as 'accuracy' | 'auc',
  };
}
