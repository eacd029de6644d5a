import type { CheckpointRecord, MetricSummary, ScoreReport, ScoreRow } from '@medformer/schema';
import { chanceAccuracy, percent, percentWithStd } from './numbers.js';
import { PROTOCOL_NAMES } from './palette.js';

/** The records of a report's checkpoints, by address. */
export type Checkpoints = ReadonlyMap<string, CheckpointRecord>;

/** The best row that began with self-supervision beside the best that began with random weights, in accuracy. */
export interface Comparison {
  best: ScoreRow;
  baseline: ScoreRow;
  /** Difference of the mean accuracies. */
  gain: number;
  /** Whether the gain exceeds the standard deviation of either row; undefined when one of them has a single value. */
  beyondSpread: boolean | undefined;
}

export function compareWithBaseline({ rows }: ScoreReport, checkpoints: Checkpoints): Comparison | undefined {
  const fromScratch = (row: ScoreRow) =>
    row.protocol === 'head' &&
    row.checkpoints.every((checkpoint) => !checkpoints.get(checkpoint)?.spec.initial);
  const best = highest(rows.filter((row) => !fromScratch(row)));
  const baseline = highest(rows.filter(fromScratch));
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
export function summariseFindings(report: ScoreReport, checkpoints: Checkpoints = new Map()): string {
  const chance = percent(chanceAccuracy(report));
  const comparison = compareWithBaseline(report, checkpoints);
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
