import type { ScoreRow } from '@medformer/schema';
import { meanAndStd } from '../scores.js';
import { table } from '../terminal.js';

export interface PivotRow {
  head: string[];
  /** One per column; undefined where nothing was scored. */
  cells: (ScoreRow | undefined)[];
}

/** One metric of many rows of reports, in percent: mean ± standard deviation over seeds, and the interval where there is one. */
export function scorePivot(
  metric: 'auc' | 'accuracy',
  head: string[],
  columns: string[],
  rows: readonly PivotRow[],
): string {
  const shown = (row: ScoreRow | undefined) => {
    if (!row) return '';
    const interval = row.intervals?.[metric];
    const range = interval
      ? ` (${(100 * interval.low).toFixed(1)} to ${(100 * interval.high).toFixed(1)})`
      : '';
    return `${meanAndStd(row[metric])}${range}`;
  };
  return table(
    [...head, ...columns],
    rows.map(({ head: names, cells }) => [...names, ...cells.map(shown)]),
  );
}

export const METRIC_TITLES = { auc: 'AUC', accuracy: 'ACC' } as const;
