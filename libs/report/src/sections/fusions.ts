import { FUSION_QUALITY_LEGEND, fusionQualityTable } from '@medformer/schema';
import { type Html, html } from '../html.js';
import type { SampleImages, ShownFusions } from '../report-input.js';

/** What fusions look like and how good they are. */
export function fusions({ qualities, panels }: ShownFusions): Html | undefined {
  if (qualities.length === 0 && panels.length === 0) return undefined;
  return html`<section id="fusions" aria-labelledby="fusions-heading">
    <h2 id="fusions-heading">Fusions</h2>
    <p class="muted">New scans out of several patients each, without a patient’s name: every voxel is one patient’s, or a mixture at the borders of regions.</p>
    ${qualities.length > 0 && qualityTable(qualities)}
    ${panels.map(panel)}
  </section>`;
}

function qualityTable(qualities: ShownFusions['qualities']): Html {
  const { head, rows } = fusionQualityTable(qualities.map(({ quality }) => quality));
  const addresses = qualities.map(({ hash }) => html` <code class="hash">${hash}</code>`);
  return html`<div class="scroll"><table class="scores quality">
      <caption>In brackets what the number is to be held against. Records:${addresses}</caption>
      <thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>${rows.map(
        ([name, ...cells]) =>
          html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`,
      )}</tbody>
    </table></div>
    <details><summary>What the columns say</summary><ul>${FUSION_QUALITY_LEGEND.map(
      ([column, meaning]) => html`<li><strong>${column}</strong>: ${meaning}.</li>`,
    )}</ul></details>`;
}

function panel({ caption, images, names = [] }: SampleImages): Html {
  return html`<figure class="sample"><figcaption>${caption}</figcaption><div class="panel">${images.map(
    (source, at) => {
      const name = names[at] ?? `picture ${at + 1}`;
      return html`<figure><img src="${source}" alt="${caption}, ${name}"><figcaption>${name}</figcaption></figure>`;
    },
  )}</div></figure>`;
}
