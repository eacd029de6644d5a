import type { ClassScores, ScoreReport, ScoreRow } from '@medformer/schema';
import { nameOf } from '../findings.js';
import { type Html, html } from '../html.js';
import { percent } from '../numbers.js';

export function perClass(report: ScoreReport): Html | undefined {
  const rows = report.rows.filter((row) => row.perClass.length > 0);
  if (rows.length === 0) return undefined;
  const what = report.taskKind === 'multi-label' ? 'label' : 'class';
  return html`<section id="per-class" aria-labelledby="per-class-heading">
    <h2 id="per-class-heading">Per ${what}</h2>
    <p class="muted">In %, means over seeds. A dash: nothing to divide by, as for the precision of a ${what} that is never predicted.</p>
    <div class="grid">${rows.map((row) => classTable(row, report.classes, what))}</div>
  </section>`;
}

function classTable(row: ScoreRow, classes: string[], what: string): Html {
  const cell = (value: ClassScores['recall']) => html`<td>${value === undefined ? '–' : percent(value)}</td>`;
  return html`<div class="scroll"><table class="scores">
    <caption>${nameOf(row)}</caption>
    <thead><tr><th scope="col">${what === 'label' ? 'Label' : 'Class'}</th><th scope="col">Images</th><th scope="col">Recall</th><th scope="col">Precision</th><th scope="col">F1</th></tr></thead>
    <tbody>${row.perClass.map(
      ({ images, recall, precision, f1 }, at) =>
        html`<tr><th scope="row">${classes[at] ?? String(at)}</th><td>${images}</td>${cell(recall)}${cell(precision)}${cell(f1)}</tr>`,
    )}</tbody>
  </table></div>`;
}
