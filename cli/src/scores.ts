import { EvaluationServiceService } from '@medformer/gen/evaluation';
import { MedformerError, type MetricSummary, parseRecord, ScoreReport } from '@medformer/schema';
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

/** The table of the thesis: one row per checkpoint and protocol, mean ± standard deviation over seeds. */
export function scoreTable(report: ScoreReport): string {
  const chance = 1 / report.classes.length;
  const subtitle = [
    `${report.datasetName}${report.synthetic ? ' (synthetic phantom, not patients)' : ''}`,
    `task ${report.spec.task}, ${report.classes.length} classes (chance ${(100 * chance).toFixed(0)} %)`,
    report.spec.labelsPerClass === undefined
      ? 'all training labels'
      : `${report.spec.labelsPerClass} labels per class`,
    `${report.testImages} test images of ${report.testSubjects} subjects`,
    `${report.spec.seeds.length} seeds`,
  ].join(' · ');
  const rows = report.rows.map((row) => [
    row.label,
    row.protocol,
    meanAndStd(row.auc),
    meanAndStd(row.accuracy),
    meanAndStd(row.top1),
    meanAndStd(row.top3),
    meanAndStd(row.top5),
  ]);
  return `${report.spec.title}\n${subtitle}\n${table(['', 'protocol', 'AUC', 'ACC', 'top-1', 'top-3', 'top-5'], rows)}`;
}

/** A single value has no spread to show. */
function meanAndStd({ mean, std, values }: MetricSummary): string {
  const shown = (100 * mean).toFixed(1);
  return values.length === 1 ? shown : `${shown} ± ${(100 * std).toFixed(1)}`;
}
