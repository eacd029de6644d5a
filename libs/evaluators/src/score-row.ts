import {
  type BootstrapSpec,
  type ClassScores,
  type EvaluationMetric,
  type EvaluationSpec,
  type LabelSpace,
  MedformerError,
  type MetricSummary,
  type ScoreRow,
} from '@medformer/schema';
import { bootstrap, percentileInterval, type SamplingUnits } from './bootstrap.js';
import { addConfusion, confusionMatrix } from './confusion-matrix.js';
import type { Matrix } from './matrix.js';
import { METRICS } from './metrics.js';
import { perClassScores } from './per-class-scores.js';
import { predictedClasses } from './predictions.js';
import { meanOfDefined, meanStatistic } from './statistic.js';
import { summarise } from './summarise.js';
import type { TaskLabels } from './task-labels.js';
import { topK } from './top-k.js';

const METRIC_NAMES = Object.keys(METRICS) as EvaluationMetric[];

/**
 * One row of the table from the scores of every repetition.
 * @param repetitions class probabilities `[images, classes]`, one per seed
 * @param labels of the scored images
 * @throws MedformerError FAILED_PRECONDITION where the labels do not define a metric
 */
export function scoreRow(
  { label, protocol, checkpoints }: EvaluationSpec['entries'][number],
  repetitions: readonly Matrix[],
  labels: TaskLabels,
  { classes }: LabelSpace,
): ScoreRow {
  const over = (metric: EvaluationMetric) =>
    summarise(repetitions.map((scores) => defined(METRICS[metric](scores, labels)(), metric)));
  return {
    label,
    protocol,
    checkpoints,
    auc: over('auc'),
    accuracy: over('accuracy'),
    averagePrecision: over('averagePrecision'),
    f1: over('f1'),
    balancedAccuracy: over('balancedAccuracy'),
    calibrationError: over('calibrationError'),
    ...classRow(repetitions, labels, classes.length),
    perClass: meanClassScores(repetitions.map((scores) => perClassScores(scores, labels))),
  };
}

/** The intervals of a row's means over seeds; a metric that most resamples do not define has none. */
export function rowIntervals(
  repetitions: readonly Matrix[],
  labels: TaskLabels,
  units: SamplingUnits,
  spec: BootstrapSpec,
): NonNullable<ScoreRow['intervals']> {
  const statistics = METRIC_NAMES.map((metric) =>
    meanStatistic(repetitions.map((scores) => METRICS[metric](scores, labels))),
  );
  const values = bootstrap(statistics, units, spec);
  return Object.fromEntries(
    METRIC_NAMES.flatMap((metric, at) => {
      const interval = percentileInterval(values[at]!, spec.level);
      return interval ? [[metric, interval]] : [];
    }),
  );
}

function defined(value: number | undefined, metric: EvaluationMetric): number {
  if (value !== undefined) return value;
  // No label of a multi-label task occurs or is predicted.
  if (metric === 'f1') return 0;
  throw new MedformerError(
    'FAILED_PRECONDITION',
    `${metric} is undefined: no class has both positive and negative images among the labels`,
  );
}

/** What only one class per image has. */
function classRow(
  repetitions: readonly Matrix[],
  labels: TaskLabels,
  count: number,
): Pick<ScoreRow, 'confusion'> & { top1?: MetricSummary; top3?: MetricSummary; top5?: MetricSummary } {
  if (labels.kind === 'multi-label') return { confusion: [] };
  const { classes, kind } = labels;
  const top = (k: number) => summarise(repetitions.map((scores) => topK(scores, classes, k)));
  return {
    top1: top(1),
    top3: top(3),
    top5: top(5),
    confusion: repetitions
      .map((scores) => confusionMatrix(predictedClasses(scores, kind), classes, count))
      .reduce(addConfusion),
  };
}

function meanClassScores(repetitions: readonly ClassScores[][]): ClassScores[] {
  return repetitions[0]!.map(({ images }, at) => {
    const mean = (key: 'recall' | 'precision' | 'f1') => {
      const value = meanOfDefined(repetitions.map((scores) => scores[at]![key]));
      return value === undefined ? {} : { [key]: value };
    };
    return { images, ...mean('recall'), ...mean('precision'), ...mean('f1') };
  });
}
