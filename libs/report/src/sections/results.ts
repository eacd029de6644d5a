import type { EvaluationMetric, MetricSummary, ScoreReport, ScoreRow } from '@medformer/schema';
import * as Plot from '@observablehq/plot';
import { chart } from '../chart.js';
import { nameOf } from '../findings.js';
import { type Html, html } from '../html.js';
import { chanceAccuracy, percent, percentWithStd } from '../numbers.js';
import { PROTOCOL_COLOURS, PROTOCOL_NAMES } from '../palette.js';

type Metric = EvaluationMetric | 'top1' | 'top3' | 'top5';

/** The last one gets better as it falls. */
const METRICS: [Metric, string][] = [
  ['auc', 'AUC'],
  ['accuracy', 'ACC'],
  ['top1', 'Top-1'],
  ['top3', 'Top-3'],
  ['top5', 'Top-5'],
  ['averagePrecision', 'AP'],
  ['f1', 'F1'],
  ['balancedAccuracy', 'Balanced ACC'],
  ['calibrationError', 'ECE ↓'],
];

export function results(report: ScoreReport): Html {
  return html`<section id="results" aria-labelledby="results-heading">
    <h2 id="results-heading">Results</h2>
    <div class="scroll">${resultTable(report)}</div>
    <div class="grid">
      <figure>${scoreBars(report, 'accuracy', 'Accuracy', chanceAccuracy(report))}</figure>
      <figure>${scoreBars(report, 'auc', 'AUC', 0.5)}</figure>
    </div>
    <p class="muted">Bars are means, lines one standard deviation over seeds (n − 1), circles the single seeds; the dashed line is chance.</p>
  </section>`;
}

function resultTable(report: ScoreReport): Html {
  const columns = METRICS.filter(([metric]) => report.rows.some((row) => row[metric]));
  const best = new Map(
    columns.map(([metric]) => {
      const means = report.rows.flatMap((row) => row[metric]?.mean ?? []);
      return [metric, metric === 'calibrationError' ? Math.min(...means) : Math.max(...means)];
    }),
  );
  const cell = (row: ScoreRow, metric: Metric) => {
    const summary = row[metric];
    if (!summary) return html`<td></td>`;
    const isBest = summary.mean === best.get(metric) && report.rows.length > 1;
    return html`<td class="${isBest ? 'best' : ''}">${percentWithStd(summary)}${intervalOf(row, metric)}</td>`;
  };
  const data = report.synthetic ? `${report.datasetName} (synthetic phantom)` : report.datasetName;
  const { intervals } = report.spec;
  return html`<table class="scores">
    <caption>${report.spec.split === 'val' ? 'Validation' : 'Test'} scores in %, mean ± standard deviation over seeds; ${data}, task ${report.spec.task}. The best of each column is bold.${
      intervals &&
      ` In brackets the ${percent(intervals.level)} % interval of the mean, by ${intervals.resamples} resamples of subjects.`
    }</caption>
    <thead><tr><th scope="col">Method</th><th scope="col">Protocol</th>${columns.map(([, name]) => html`<th scope="col">${name}</th>`)}<th scope="col">Runs</th></tr></thead>
    <tbody>${report.rows.map(
      (row) =>
        html`<tr><th scope="row">${row.label}</th><td class="text"><span class="dot" style="background:${PROTOCOL_COLOURS[row.protocol]}"></span>${PROTOCOL_NAMES[row.protocol]}</td>${columns.map(([metric]) => cell(row, metric))}<td>${row.accuracy.values.length}</td></tr>`,
    )}</tbody>
  </table>`;
}

function intervalOf({ intervals }: ScoreRow, metric: Metric): Html | undefined {
  const interval = intervals?.[metric as EvaluationMetric];
  return (
    interval && html`<br><span class="muted">[${percent(interval.low)}, ${percent(interval.high)}]</span>`
  );
}

function scoreBars(report: ScoreReport, metric: 'auc' | 'accuracy', title: string, chance: number): Html {
  const names = report.rows.map(nameOf);
  const bars = report.rows.map((row, at) => ({ row, name: names[at]!, ...row[metric] }));
  const inPercent = (value: (bar: MetricSummary) => number) => (bar: MetricSummary) => 100 * value(bar);
  const single = bars.flatMap(({ name, values }) => values.map((value) => ({ name, value: 100 * value })));
  return chart(
    {
      width: 560,
      height: 60 + 46 * bars.length,
      marginLeft: 12,
      marginRight: 56,
      x: { domain: [0, 100], label: `${title} (%)`, grid: true, ticks: 5 },
      y: { domain: names, axis: null, padding: 0.6 },
      marks: [
        Plot.barX(bars, {
          x: inPercent(({ mean }) => mean),
          y: 'name',
          fill: ({ row }: { row: ScoreRow }) => PROTOCOL_COLOURS[row.protocol],
          fillOpacity: 0.85,
          rx: 2,
        }),
        Plot.ruleX([100 * chance], { strokeDasharray: '4 3', stroke: 'currentColor', strokeOpacity: 0.7 }),
        Plot.ruleY(bars, {
          x1: inPercent(({ mean, std }) => Math.max(0, mean - std)),
          x2: inPercent(({ mean, std }) => Math.min(1, mean + std)),
          y: 'name',
          stroke: 'currentColor',
          strokeWidth: 1.5,
        }),
        Plot.dot(single, {
          x: 'value',
          y: 'name',
          r: 2.4,
          fill: 'var(--card)',
          stroke: 'currentColor',
          strokeWidth: 1,
        }),
        Plot.text(bars, {
          x: 0,
          y: 'name',
          text: 'name',
          dy: -17,
          textAnchor: 'start',
          fill: 'currentColor',
          fontSize: 12,
        }),
        Plot.text(bars, {
          x: inPercent(({ mean, std, values }) => Math.min(1, Math.max(mean + std, ...values))),
          y: 'name',
          text: ({ mean }: MetricSummary) => (100 * mean).toFixed(1),
          dx: 8,
          textAnchor: 'start',
          fill: 'currentColor',
          fontSize: 12,
          fontWeight: 600,
        }),
      ],
    },
    {
      title: `${title} by method`,
      description: `${bars.map((bar) => `${bar.name}: ${percentWithStd(bar)} %`).join('; ')}; chance ${(100 * chance).toFixed(0)} %.`,
    },
  );
}
