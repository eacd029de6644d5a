import type { DataReport, Similarity } from '@medformer/schema';
import * as Plot from '@observablehq/plot';
import { chart } from '../chart.js';
import { type Html, html } from '../html.js';

export function similarities(report: DataReport): Html {
  const { pixels, embedding } = report.similarity;
  const several = report.datasets.length > 1;
  const names = report.groups.map(
    ({ dataset, modality, bodyPart, axes }) =>
      `${several ? `${report.datasets[dataset]!.name} ` : ''}${modality} ${bodyPart} ${axes}D`,
  );
  return html`<section id="similarity" aria-labelledby="similarity-heading">
    <h2 id="similarity-heading">How alike images are</h2>
    <p class="muted">Mean similarity of images of different subjects, of at most ${report.spec.imagesPerGroup} images per group. The diagonal is how homogeneous a group is; the rest how far groups differ. Images are not compared with volumes by their pixels.</p>
    <div class="grid">
      ${matrix(names, pixels, 'Pixels', 'correlation of grey values')}
      ${embedding && matrix(names, embedding, 'Embeddings', 'cosine, less the common mean')}
    </div>
  </section>`;
}

function matrix(names: string[], { means, within, between }: Similarity, title: string, what: string): Html {
  const cells = means.flatMap((row, at) =>
    row.flatMap((value, column) =>
      value === null ? [] : [{ row: names[at]!, column: names[column]!, value }],
    ),
  );
  const longest = Math.max(...names.map((name) => name.length));
  const shown = (mean: number | null) => (mean === null ? 'unknown' : mean.toFixed(2));
  return html`<figure><figcaption><strong>${title}</strong>: ${what}; within groups ${shown(within)}, between ${shown(between)}</figcaption>${chart(
    {
      width: 620,
      height: 620,
      marginLeft: 16 + 5.6 * longest,
      marginBottom: 20 + 4.6 * longest,
      marginTop: 8,
      padding: 0.04,
      x: { domain: names, label: null, tickRotate: -50, tickSize: 0 },
      y: { domain: names, label: null, tickSize: 0 },
      color: { type: 'identity' },
      opacity: { type: 'identity' },
      marks: [
        Plot.cell(cells, {
          x: 'column',
          y: 'row',
          fill: (cell: (typeof cells)[number]) => (cell.value < 0 ? 'var(--wrong)' : 'var(--accent)'),
          fillOpacity: (cell: (typeof cells)[number]) => 0.03 + 0.9 * Math.min(1, Math.abs(cell.value)),
          title: (cell: (typeof cells)[number]) => `${cell.row}, ${cell.column}: ${cell.value.toFixed(2)}`,
        }),
        ...(names.length <= 14
          ? [
              Plot.text(cells, {
                x: 'column',
                y: 'row',
                text: (cell: (typeof cells)[number]) => cell.value.toFixed(1),
                fill: 'currentColor',
                fontSize: 10,
              }),
            ]
          : []),
      ],
    },
    {
      title: `Similarity of ${title.toLowerCase()} by group`,
      description: `${what}: within groups ${shown(within)}, between groups ${shown(between)}.`,
    },
  )}</figure>`;
}
