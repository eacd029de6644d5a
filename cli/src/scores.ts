import { EvaluationServiceService } from '@medformer/gen/evaluation';
import {
  type EvaluationMetric,
  labelDrawText,
  MedformerError,
  type MetricSummary,
  type PairedTest,
  parseRecord,
  ScoreReport,
  type ScoreRow,
} from '@medformer/schema';
import type { Context } from './context.js';
import type { Spec } from './spec-file.js';
import { table } from './terminal.js';

export interface ScoredReport {
  report: string;
  record: ScoreReport;
}

/** Evaluates with live progress; equal specs are found, not computed again. */
export async function evaluate({ connection, terminal }: Context, spec: Spec): Promise<ScoredReport> {
  const progress = terminal.progress('evaluate');
  try {
    for await (const { event } of connection.serverStream(EvaluationServiceService.evaluate, { spec })) {
      if (event?.$case === 'progress') {
        progress.update(event.value.done, event.value.total, event.value.stage);
      } else if (event?.$case === 'finished') {
        progress.stop();
        return {
          report: event.value.report,
          record: parseRecord(ScoreReport, event.value.record, `report ${event.value.report}`),
        };
      }
    }
  } finally {
    progress.stop();
  }
  throw new MedformerError('DATA_LOSS', 'the service ended without a report');
}

type Metric = EvaluationMetric | 'top1' | 'top3' | 'top5';

const METRICS: [Metric, string][] = [
  ['auc', 'AUC'],
  ['accuracy', 'ACC'],
  ['top1', 'top-1'],
  ['top3', 'top-3'],
  ['top5', 'top-5'],
  ['averagePrecision', 'AP'],
  ['f1', 'F1'],
  ['balancedAccuracy', 'bal. ACC'],
  ['calibrationError', 'ECE'],
];

/**
 * The table of the thesis: one row per checkpoint and protocol, mean ± standard deviation over seeds, below it
 * intervals and tests where the report has them.
 */
export function scoreTable(report: ScoreReport): string {
  const multiLabel = report.taskKind === 'multi-label';
  const chance = multiLabel ? 0.5 : 1 / report.classes.length;
  const subtitle = [
    `${report.datasetName}${report.synthetic ? ' (synthetic phantom, not patients)' : ''}`,
    `task ${report.spec.task}, ${report.classes.length} ${multiLabel ? 'labels' : 'classes'} (chance ${(100 * chance).toFixed(0)} %)`,
    labelDrawText(report.spec),
    `${report.testImages} ${report.spec.split === 'val' ? 'validation' : 'test'} images of ${report.testSubjects} subjects`,
    `${report.spec.seeds.length} seeds`,
  ].join(' · ');
  const columns = METRICS.filter(([metric]) => report.rows.some((row) => row[metric]));
  const rows = report.rows.map((row) => [
    row.label,
    row.protocol,
    ...columns.map(([metric]) => (row[metric] ? meanAndStd(row[metric]) : '')),
  ]);
  const scores = table(['', 'protocol', ...columns.map(([, name]) => name)], rows);
  return [
    report.spec.title,
    subtitle,
    scores,
    ...(report.leakage === undefined ? [] : [`leakage: ${report.leakage}; the scores are too high`]),
    ...sharedCodeLines(report),
    ...resampledLines(report),
    ...intervalLines(report),
    ...testLines(report),
  ].join('\n');
}

/** Recall, precision and F1 of every class, row by row. */
export function classTable({ rows, classes }: ScoreReport): string {
  const shown = (value: number | undefined) => (value === undefined ? '-' : (100 * value).toFixed(1));
  const lines = rows.flatMap(({ label, protocol, perClass }) =>
    perClass.map(({ images, recall, precision, f1 }, at) => [
      label,
      protocol,
      classes[at] ?? String(at),
      String(images),
      shown(recall),
      shown(precision),
      shown(f1),
    ]),
  );
  return table(['', 'protocol', 'class', 'images', 'recall', 'precision', 'F1'], lines);
}

function sharedCodeLines({ rows }: ScoreReport): string[] {
  return rows.flatMap(({ label, protocol, sharedCodes }) =>
    sharedCodes ? [`${label}, ${protocol}: the shared code stood in for ${sharedCodes.join(', ')}`] : [],
  );
}

function resampledLines({ rows }: ScoreReport): string[] {
  return rows.flatMap(({ label, protocol, resampled }) =>
    resampled
      ? [`${label}, ${protocol}: sizes that no training saw, resampled: ${resampled.join(', ')}`]
      : [],
  );
}

function intervalLines({ rows, spec }: ScoreReport): string[] {
  if (!spec.intervals) return [];
  const columns = METRICS.filter(([metric]) =>
    rows.some(({ intervals }) => intervals?.[metric as EvaluationMetric]),
  );
  const cells = rows.map(({ label, protocol, intervals }) => [
    label,
    protocol,
    ...columns.map(([metric]) => {
      const interval = intervals?.[metric as EvaluationMetric];
      return interval ? `${(100 * interval.low).toFixed(1)} to ${(100 * interval.high).toFixed(1)}` : '';
    }),
  ]);
  const level = (100 * spec.intervals.level).toFixed(0);
  return [
    `${level} % intervals of the means, bootstrap over subjects`,
    table(['', 'protocol', ...columns.map(([, name]) => name)], cells),
  ];
}

/** The paired tests of a report as lines; none where it has none. */
export function testLines({
  rows,
  tests,
}: {
  rows: readonly Pick<ScoreRow, 'label' | 'protocol'>[];
  tests: readonly PairedTest[];
}): string[] {
  if (tests.length === 0) return [];
  const nameOf = (at: number) => `${rows[at]!.label} (${rows[at]!.protocol})`;
  const cells = tests.map(({ first, second, metric, test, seed, difference, interval, p }) => [
    `${nameOf(first)} - ${nameOf(second)}`,
    metric === 'auc' ? 'AUC' : 'ACC',
    seed === undefined ? test : `${test}, seed ${seed}`,
    signed(difference),
    interval ? `${signed(interval.low)} to ${signed(interval.high)}` : '',
    p < 0.001 ? '< 0.001' : p.toFixed(3),
  ]);
  return [
    'paired tests on the same images',
    table(['', 'metric', 'test', 'difference', 'interval', 'p'], cells),
  ];
}

function signed(fraction: number): string {
  return `${fraction < 0 ? '-' : '+'}${(100 * Math.abs(fraction)).toFixed(1)}`;
}

/** In percent. A single value has no spread to show. */
export function meanAndStd({ mean, std, values }: MetricSummary): string {
  const shown = (100 * mean).toFixed(1);
  return values.length === 1 ? shown : `${shown} ± ${(100 * std).toFixed(1)}`;
}
