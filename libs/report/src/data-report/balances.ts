import type { DataReport } from '@medformer/schema';
import * as Plot from '@observablehq/plot';
import { chart } from '../chart.js';
import { type Html, html } from '../html.js';
import { percent } from '../numbers.js';

type Described = Pick<DataReport['datasets'][number], 'name' | 'balance'>;
type Balance = Described['balance'][number];

export function balances(datasets: readonly Described[]): Html | undefined {
  const tasks = datasets.flatMap(({ name, balance }) => balance.map((task) => ({ name, task })));
  if (tasks.length === 0) return undefined;
  return html`<section id="balance" aria-labelledby="balance-heading">
    <h2 id="balance-heading">Class balance</h2>
    <p class="muted">Share of each split's labelled images that are of a class; of several labels per image the share of the labels.</p>
    <div class="grid">${tasks.map(
      ({ name, task }) =>
        html`<figure><figcaption><strong>${datasets.length > 1 ? `${name}: ` : ''}${task.task}</strong>, ${task.kind}</figcaption>${bars(task)}</figure>`,
    )}</div>
  </section>`;
}

function bars({ task, classes, images }: Balance): Html {
  const rows = Object.entries(images).flatMap(([split, counts = []]) => {
    const total = counts.reduce((sum, count) => sum + count, 0);
    return counts.map((count, at) => ({
      split,
      class: classes[at]!,
      count,
      share: total === 0 ? 0 : count / total,
    }));
  });
  const longest = Math.max(...classes.map((name) => name.length));
  return chart(
    {
      width: 560,
      height: 60 + 24 * classes.length,
      marginLeft: 16 + 6 * longest,
      x: { label: 'share, %', percent: true, grid: true },
      y: { domain: classes, label: null, tickSize: 0 },
      fx: { domain: ['train', 'val', 'test'].filter((split) => split in images), label: null },
      marks: [
        Plot.barX(rows, {
          x: 'share',
          y: 'class',
          fx: 'split',
          fill: 'var(--accent)',
          title: (row: (typeof rows)[number]) => `${row.class}, ${row.split}: ${row.count} images`,
        }),
      ],
    },
    {
      title: `Class balance of ${task}`,
      description: rows.map((row) => `${row.split} ${row.class} ${percent(row.share)} %`).join(', '),
    },
  );
}
