import type { ScoreReport, ScoreRow } from '@medformer/schema';
import * as Plot from '@observablehq/plot';
import { chart } from '../chart.js';
import { nameOf } from '../findings.js';
import { type Html, html } from '../html.js';
import { percent } from '../numbers.js';

export function confusions(report: ScoreReport): Html | undefined {
  const rows = report.rows.filter(({ confusion }) => confusion.length > 0);
  if (rows.length === 0) return undefined;
  return html`<section id="confusion" aria-labelledby="confusion-heading">
    <h2 id="confusion-heading">Confusion</h2>
    <p class="muted">Rows are true classes, columns predicted ones; each cell is the percentage of its row, summed over seeds. The diagonal is right.</p>
    <div class="grid">${rows.map((row) => html`<figure><figcaption><strong>${nameOf(row)}</strong></figcaption>${heatMap(row, report.classes)}</figure>`)}</div>
  </section>`;
}

function heatMap(row: ScoreRow, classes: string[]): Html {
  const cells = row.confusion.flatMap((counts, truth) => {
    const total = counts.reduce((sum, count) => sum + count, 0);
    return counts.map((count, predicted) => ({
      truth: classes[truth]!,
      predicted: classes[predicted]!,
      share: total === 0 ? 0 : count / total,
      right: truth === predicted,
    }));
  });
  const longest = Math.max(...classes.map((name) => name.length));
  const named = classes.length <= 12;
  const recall = classes.map((name) => {
    const cell = cells.find(({ truth, right }) => truth === name && right)!;
    return `${name} ${percent(cell.share)} %`;
  });
  return chart(
    {
      width: 560,
      height: 500,
      marginLeft: 20 + 6.4 * longest,
      marginBottom: 24 + 5 * longest,
      marginTop: 8,
      padding: 0.06,
      x: { domain: classes, label: 'predicted', tickRotate: -40, tickSize: 0 },
      y: { domain: classes, label: null, tickSize: 0 },
      marks: [
        Plot.cell(cells, {
          x: 'predicted',
          y: 'truth',
          rx: 2,
          fill: (cell: (typeof cells)[number]) => (cell.right ? 'var(--accent)' : 'var(--wrong)'),
          fillOpacity: (cell: (typeof cells)[number]) => (cell.share === 0 ? 0.04 : 0.08 + 0.8 * cell.share),
        }),
        ...(named
          ? [
              Plot.text(
                cells.filter(({ share }) => share >= 0.005),
                {
                  x: 'predicted',
                  y: 'truth',
                  text: (cell: (typeof cells)[number]) => (100 * cell.share).toFixed(0),
                  fill: 'currentColor',
                  fontSize: 11,
                },
              ),
            ]
          : []),
      ],
      // Plot would rescale a channel of opacities to its largest value.
      opacity: { type: 'identity' },
      color: { type: 'identity' },
    },
    {
      title: `${nameOf(row)}: confusion matrix`,
      description: `Share of each class that is predicted rightly: ${recall.join(', ')}.`,
    },
  );
}
