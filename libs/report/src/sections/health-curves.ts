import type { CheckpointRecord, HistoryEntry } from '@medformer/schema';
import * as Plot from '@observablehq/plot';
import { chart } from '../chart.js';
import type { Html } from '../html.js';

/** The spread of the embeddings over the steps of each run; undefined where it was not measured. */
export function embeddingSpread(label: string, records: CheckpointRecord[]): Html | undefined {
  const points = pointsOf(records, ({ embeddingStd }) => embeddingStd);
  if (points.length < 2) return undefined;
  const values = points.map(({ value }) => value);
  return chart(
    {
      width: 560,
      height: 130,
      marginLeft: 48,
      x: { label: 'step' },
      y: { label: 'embedding spread', domain: [0, Math.max(1, ...values)], grid: true, ticks: 3 },
      marks: [
        Plot.ruleY([1], { strokeDasharray: '4 3', stroke: 'currentColor', strokeOpacity: 0.55 }),
        Plot.ruleY([0], { stroke: 'currentColor', strokeOpacity: 0.4 }),
        Plot.lineY(points, { x: 'step', y: 'value', z: 'run', stroke: 'var(--accent-2)', strokeWidth: 1.6 }),
      ],
    },
    {
      title: `${label}: embedding spread`,
      description: `Spread of the normalised embeddings over steps, 1 when even and 0 when collapsed, from ${values[0]!.toFixed(4)} to ${values.at(-1)!.toFixed(4)}.`,
    },
  );
}

/** The directions that the embeddings use, over the steps of each run; undefined where they were not counted. */
export function effectiveRank(label: string, records: CheckpointRecord[]): Html | undefined {
  const points = pointsOf(records, ({ effectiveRank }) => effectiveRank);
  if (points.length < 2) return undefined;
  const values = points.map(({ value }) => value);
  return chart(
    {
      width: 560,
      height: 130,
      marginLeft: 48,
      x: { label: 'step' },
      y: { label: 'effective rank', domain: [0, Math.max(...values)], nice: true, grid: true, ticks: 3 },
      marks: [
        Plot.ruleY([1], { strokeDasharray: '4 3', stroke: 'currentColor', strokeOpacity: 0.55 }),
        Plot.lineY(points, { x: 'step', y: 'value', z: 'run', stroke: 'var(--accent-2)', strokeWidth: 1.6 }),
      ],
    },
    {
      title: `${label}: effective rank`,
      description: `Directions that the embeddings of a batch use, over steps, 1 when collapsed, from ${values[0]!.toFixed(1)} to ${values.at(-1)!.toFixed(1)}.`,
    },
  );
}

/** A value of every step that has one, by run. */
export function pointsOf(records: CheckpointRecord[], value: (entry: HistoryEntry) => number | undefined) {
  return records.flatMap(({ history }, run) =>
    history.flatMap((entry) => {
      const found = value(entry);
      return found === undefined ? [] : [{ run, step: entry.step, value: found }];
    }),
  );
}
