import { type CheckpointRecord, collapseIn, type ScoreReport } from '@medformer/schema';
import type { Checkpoints } from './findings.js';

/** Losses are read as means over this many steps: that of one batch is noise. */
const WINDOW = 20;

/** Share of the way from start to floor below which a loss has not left its start. */
const LEFT = 0.05;

/** What runs of one method and settings did, in sentences; those that `alarm` come first and are to be seen. */
export interface RunReading {
  alarms: string[];
  remarks: string[];
}

export function readHealth(records: readonly CheckpointRecord[]): RunReading {
  return {
    alarms: records.flatMap((record) => [...collapse(record, records), ...wrongStart(record, records)]),
    remarks: progress(records),
  };
}

/** Labels of the table's rows that came from a run which was collapsed at its end. */
export function collapsedRows({ rows }: ScoreReport, checkpoints: Checkpoints): string[] {
  const labels = rows.filter((row) =>
    row.checkpoints.some((checkpoint) => {
      const record = checkpoints.get(checkpoint);
      return record && collapseOf(record)?.persists;
    }),
  );
  return [...new Set(labels.map(({ label }) => label))];
}

function collapseOf({ spec, expectedLoss, history }: CheckpointRecord) {
  return expectedLoss && collapseIn(spec.health, expectedLoss, history);
}

function collapse(record: CheckpointRecord, all: readonly CheckpointRecord[]): string[] {
  const found = collapseOf(record);
  if (!found) return [];
  const { embeddingStd, effectiveRank } = record.history.find(({ step }) => step === found.step)!;
  const until = found.persists ? 'and stayed so to the end' : 'and recovered';
  return [
    `Collapsed${ofSeed(record, all)}: at step ${found.step} all images had had nearly the same embedding for ${record.spec.health.window} steps (spread ${embeddingStd!.toFixed(3)}, effective rank ${effectiveRank!.toFixed(1)}), ${until}.`,
  ];
}

function wrongStart(record: CheckpointRecord, all: readonly CheckpointRecord[]): string[] {
  const first = record.history[0];
  const range = record.expectedLoss?.first;
  if (!range || first?.step !== 1 || record.spec.initial) return [];
  if (first.loss >= range.least && first.loss <= range.most) return [];
  return [
    `The first loss${ofSeed(record, all)}, ${significant(first.loss)}, is outside of what random weights give: ${significant(range.least)} to ${significant(range.most)}. Something about the loss, the labels or the pixels is likely wrong.`,
  ];
}

/** How far the loss came from its start to its floor. */
function progress(records: readonly CheckpointRecord[]): string[] {
  const { start, floor } = records[0]!.expectedLoss ?? {};
  if (start === undefined || floor === undefined) return [];
  const ends = records.map(({ history }) => mean(history.slice(-WINDOW).map(({ loss }) => loss)));
  const shares = ends.map((end) => (start - end) / (start - floor));
  const [least, most] = [Math.min(...shares), Math.max(...shares)];
  const line = `start ${significant(start)}, floor ${significant(floor)}`;
  if (most < LEFT)
    return [`The loss has not left its start: it ended at ${span(ends, significant)} (${line}).`];
  return [
    `The loss ended at ${span(ends, significant)}, ${span(shares, percent)} % of the way from its start to its floor (${line}).${least < LEFT ? ' At least one run has not left its start.' : ''}`,
  ];
}

function ofSeed({ spec }: CheckpointRecord, all: readonly CheckpointRecord[]): string {
  return all.length > 1 ? ` (seed ${spec.seed})` : '';
}

/** `31`, or `29 to 34` where the values differ as they are shown. */
function span(values: readonly number[], shown: (value: number) => string): string {
  const [low, high] = [shown(Math.min(...values)), shown(Math.max(...values))];
  return low === high ? low : `${low} to ${high}`;
}

const percent = (share: number) => String(Math.round(100 * share));

const significant = (value: number) => String(Number(value.toPrecision(3)));

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
