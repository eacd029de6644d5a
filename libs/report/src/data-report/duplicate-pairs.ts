import type { ReportedImage } from '@medformer/schema';
import { type Html, html } from '../html.js';
import type { DataReportInput } from './render-data-report.js';

export function duplicatePairs({ report, pictures }: DataReportInput): Html | undefined {
  const { exact, near, listed } = report.duplicates;
  const { sharedSubjects } = report;
  if (listed.length + sharedSubjects.length === 0) return undefined;
  const nameOf = ({ dataset, id, split }: ReportedImage) =>
    `${report.datasets.length > 1 ? `${report.datasets[dataset]!.name} ` : ''}${id} (${split})`;
  const counted = exact.leaking + exact.within + near.leaking + near.within;
  const { hashDistance } = report.spec.duplicates;
  return html`<section id="duplicates" aria-labelledby="duplicates-heading">
    <h2 id="duplicates-heading">Images that are there twice</h2>
    <p class="muted">Across splits: ${exact.leaking} with equal pixels, ${near.leaking} nearly the same. Within a split: ${exact.within} and ${near.within}. Nearly the same: perceptual hashes that differ in at most ${hashDistance} of 64 bits, and fine structure that agrees everywhere.</p>
    ${
      pictures.length > 0 &&
      html`<div class="samples">${pictures.map((images, at) => {
        const pair = listed[at]!;
        return html`<figure class="sample"><div class="strip">${images.map(
          (source, which) =>
            html`<img src="${source}" alt="image ${nameOf(pair.images[which]!)}" width="84" height="84">`,
        )}</div><figcaption>${pair.leaks ? 'across splits' : 'within a split'}, ${pair.kind === 'exact' ? 'equal' : `nearly the same, ${pair.detailCorrelation.toFixed(2)}`}</figcaption></figure>`;
      })}</div>`
    }
    <div class="scroll"><table class="scores">
      <thead><tr><th scope="col">First</th><th scope="col">Second</th><th scope="col">Bits that differ</th><th scope="col">Fine structure</th><th scope="col">Embedding cosine</th></tr></thead>
      <tbody>${listed.map(
        ({ images: [first, second], leaks, hashDistance, detailCorrelation, embeddingCosine }) =>
          html`<tr><th scope="row">${nameOf(first)}</th><td class="text">${nameOf(second)}${leaks ? html` <strong>leaks</strong>` : ''}</td><td>${hashDistance}</td><td>${detailCorrelation.toFixed(2)}</td><td>${embeddingCosine === undefined ? '' : embeddingCosine.toFixed(2)}</td></tr>`,
      )}
      ${sharedSubjects.map(
        ({ dataset, subject, splits }) =>
          html`<tr><th scope="row">subject ${subject}</th><td class="text">${report.datasets[dataset]!.name}: ${splits.join(' and ')} <strong>leaks</strong></td><td></td><td></td><td></td></tr>`,
      )}</tbody>
      ${listed.length < counted && html`<caption>${listed.length} of ${counted} pairs, those across splits first.</caption>`}
    </table></div>
  </section>`;
}
