import type { EvaluationMetric, ScoreReport } from '@medformer/schema';
import { Counter, failureOutcome, Gauge, Histogram, metrics } from '@medformer/telemetry';

const registers = [metrics];

const OUTCOMES = ['computed', 'found', 'refused', 'cancelled', 'failed'] as const;
/** Metrics whose every report has them, or nearly. */
const SHOWN = ['auc', 'accuracy', 'balancedAccuracy', 'f1'] as const satisfies EvaluationMetric[];
/** Data sets shown at once: their names are the operators' own, so their number is bounded. */
export const MOST_DATASETS = 50;

const evaluations = new Counter({
  name: 'medformer_evaluation_evaluations_total',
  help: 'Evaluations that ended: computed, found (an equal one was stored), refused, cancelled or failed.',
  labelNames: ['outcome'],
  registers,
});
const seconds = new Histogram({
  name: 'medformer_evaluation_seconds',
  help: 'Time of a computed evaluation.',
  buckets: [1, 3, 10, 30, 60, 120, 300, 600, 1800, 3600],
  registers,
});
const jobs = new Gauge({
  name: 'medformer_evaluation_jobs',
  help: 'Evaluations that wait for their turn, or are computed.',
  labelNames: ['state'],
  registers,
});
const score = new Gauge({
  name: 'medformer_evaluation_score',
  help: `Best row of a protocol in the newest report of a data set, 0 to 1; of the ${MOST_DATASETS} data sets scored last.`,
  labelNames: ['dataset', 'protocol', 'metric'],
  registers,
});

const promotions = new Counter({
  name: 'medformer_evaluation_promotions_total',
  help: 'What gates decided of checkpoints that ask to be served.',
  labelNames: ['outcome'],
  registers,
});

// From the beginning, so that a rate sees the first one.
for (const outcome of ['promoted', 'refused']) promotions.inc({ outcome }, 0);
for (const outcome of OUTCOMES) evaluations.inc({ outcome }, 0);
showJobs({ queued: 0, running: 0 });

/** The shown reports by data set, the one scored last at the end. */
const reports = new Map<string, ScoreReport>();

/** Shows a report's scores in place of those of its data set before. */
export function showScores(report: ScoreReport): void {
  reports.delete(report.datasetName);
  reports.set(report.datasetName, report);
  const [oldest] = reports.keys();
  if (reports.size > MOST_DATASETS && oldest !== undefined) reports.delete(oldest);
  score.reset();
  for (const [dataset, { rows }] of reports) {
    for (const protocol of new Set(rows.map((row) => row.protocol))) {
      const of = rows.filter((row) => row.protocol === protocol);
      for (const metric of SHOWN) {
        const means = of.flatMap((row) => row[metric]?.mean ?? []);
        if (means.length > 0) score.set({ dataset, protocol, metric }, Math.max(...means));
      }
    }
  }
}

export function countPromotion(promoted: boolean): void {
  promotions.inc({ outcome: promoted ? 'promoted' : 'refused' });
}

export function countFound(): void {
  evaluations.inc({ outcome: 'found' });
}

/** Counts one that ended before its turn. */
export function countCancelled(): void {
  evaluations.inc({ outcome: 'cancelled' });
}

export function showJobs(states: Record<'queued' | 'running', number>): void {
  for (const [state, count] of Object.entries(states)) jobs.set({ state }, count);
}

/** Counts an evaluation from its begin to its end. */
export async function countEvaluation<Output>(run: () => Promise<Output>): Promise<Output> {
  const observe = seconds.startTimer();
  try {
    const output = await run();
    evaluations.inc({ outcome: 'computed' });
    observe();
    return output;
  } catch (thrown) {
    evaluations.inc({ outcome: failureOutcome(thrown) });
    throw thrown;
  }
}
