import { canonicalJson, EvaluationMetric, type ScoreReport, type ScoreRow } from '@medformer/schema';
import type { ScoresFile } from './export-scores.js';

/** The record itself, as it is addressed. */
export function jsonFile(report: ScoreReport): ScoresFile {
  return { name: 'report.json', bytes: Buffer.from(canonicalJson(report)) };
}

const COLUMNS = [
  'dataset',
  'task',
  'split',
  'row',
  'protocol',
  'metric',
  'seed',
  'value',
  'mean',
  'std',
  'low',
  'high',
];

/** `scores.csv`, RFC 4180: a line per row, metric and seed; interval ends are empty where the report has none. */
export function csvFile(
  { datasetName, spec: { task, split, seeds } }: ScoreReport,
  rows: readonly [at: number, row: ScoreRow][],
): ScoresFile {
  const lines = rows.flatMap(([, row]) =>
    EvaluationMetric.options.flatMap((metric) => {
      const summary = row[metric];
      const { low = '', high = '' } = row.intervals?.[metric] ?? {};
      return (summary?.values ?? []).map((value, index) => [
        ...[datasetName, task, split, row.label, row.protocol, metric],
        // A row that no seed draws anything for has one value.
        ...[seeds[index] ?? index, value, summary!.mean, summary!.std, low, high],
      ]);
    }),
  );
  const text = [COLUMNS, ...lines].map((cells) => cells.map(cellOf).join(',')).join('\r\n');
  return { name: 'scores.csv', bytes: Buffer.from(`${text}\r\n`) };
}

function cellOf(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
