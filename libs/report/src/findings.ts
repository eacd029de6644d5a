import type { MetricSummary, ScoreReport, ScoreRow } from '@medformer/schema';
import { percent, percentWithStd } from './numbers.js';
import { PROTOCOL_NAMES } from './palette.js';

/** The best self-supervised row beside the best supervised one, in accuracy. */
export interface Comparison {
  best: ScoreRow;
  baseline: ScoreRow;
  /** Difference of the mean accuracies. */
  gain: number;
  /** Whether the gain exceeds the standard deviation of either row; undefined when one of them has a single value. */
  beyondSpread: boolean | undefined;
}

export function compareWithBaseline({ rows }: ScoreReport): Comparison | undefined {
  const best = highest(rows.filter((row) => row.protocol !== 'head'));
  const baseline = highest(rows.filter((row) => row.protocol === 'head'));
  if (!best || !baseline) return undefined;
  const gain = best.accuracy.mean - baseline.accuracy.mean;
  return {
    best,
    baseline,
    gain,
    beyondSpread: [best, baseline].some(({ accuracy }) => accuracy.values.length === 1)
      ? undefined
      : Math.abs(gain) > Math.max(best.accuracy.std, baseline.accuracy.std),
  };
}

/** The main finding in one or two sentences that claim no more than the table shows. */
export function summariseFindings(report: ScoreReport): string {
  const chance = percent(1 / report.classes.length);
  const comparison = compareWithBaseline(report);
  if (!comparison) {
    const best = highest(report.rows);
    return best
      ? `${nameOf(best)} reaches ${accuracyOf(best.accuracy)} accuracy; chance is ${chance} %.`
      : 'No row was scored.';
  }
  const { best, baseline, gain, beyondSpread } = comparison;
  const direction = gain >= 0 ? 'above' : 'below';
  const spread =
    beyondSpread === undefined
      ? 'from a single run of one of them: how far seeds scatter is not known'
      : beyondSpread
        ? 'more than the spread over seeds of either'
        : 'within the spread over seeds: no difference is shown';
  return `${nameOf(best)} reaches ${accuracyOf(best.accuracy)} accuracy, ${percent(Math.abs(gain))} points ${direction} ${nameOf(baseline)} (${accuracyOf(baseline.accuracy)}), ${spread}. Chance is ${chance} %.`;
}

export function nameOf(row: ScoreRow): string {
  return `${row.label} (${PROTOCOL_NAMES[row.protocol]})`;
}

function accuracyOf(summary: MetricSummary): string {
  return `${percentWithStd(summary)} %`;
}

function highest(rows: ScoreRow[]): ScoreRow | undefined {
  return rows.toSorted((x, y) => y.accuracy.mean - x.accuracy.mean)[0];
}
