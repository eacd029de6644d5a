import type { CheckpointRecord, HistoryEntry } from '@medformer/schema';
import * as Plot from '@observablehq/plot';
import { chart } from '../chart.js';
import type { Html } from '../html.js';

/** The spread of the embeddings over the steps of each run; undefined where it was not measured. */
export function embeddingSpread(label: string, records: CheckpointRecord[]): Html | undefined {
  const points = pointsOf(records, ({ embeddingStd }) => embeddingStd);
  return healthCurve(label, 'embedding spread', points, {
    y: { domain: [0, Math.max(1, ...points.map(({ value }) => value))] },
    marks: [Plot.ruleY([0], { stroke: 'currentColor', strokeOpacity: 0.4 })],
    what: 'Spread of the normalised embeddings over steps, 1 when even and 0 when collapsed',
    digits: 4,
  });
}

/** The directions that the embeddings use, over the steps of each run; undefined where they were not counted. */
export function effectiveRank(label: string, records: CheckpointRecord[]): Html | undefined {
  const points = pointsOf(records, ({ effectiveRank }) => effectiveRank);
  return healthCurve(label, 'effective rank', points, {
    y: { domain: [0, Math.max(...points.map(({ value }) => value))], nice: true },
    marks: [],
    what: 'Directions that the embeddings of a batch use, over steps, 1 when collapsed',
    digits: 1,
  });
}

function healthCurve(
  label: string,
  name: string,
  points: ReturnType<typeof pointsOf>,
  { y, marks, what, digits }: { y: Plot.ScaleOptions; marks: Plot.Markish[]; what: string; digits: number },
): Html | undefined {
  if (points.length < 2) return undefined;
  const [from, to] = [points[0]!, points.at(-1)!].map(({ value }) => value.toFixed(digits));
  return chart(
    {
      width: 560,
      height: 130,
      marginLeft: 48,
      x: { label: 'step' },
      y: { label: name, ...y, grid: true, ticks: 3 },
      marks: [
        Plot.ruleY([1], { strokeDasharray: '4 3', stroke: 'currentColor', strokeOpacity: 0.55 }),
        ...marks,
        Plot.lineY(points, { x: 'step', y: 'value', z: 'run', stroke: 'var(--accent-2)', strokeWidth: 1.6 }),
      ],
    },
    { title: `${label}: ${name}`, description: `${what}, from ${from} to ${to}.` },
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
