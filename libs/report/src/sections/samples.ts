import { type Html, html } from '../html.js';
import type { SampleImages } from '../report-input.js';

export function samples(shown: readonly SampleImages[]): Html | undefined {
  if (shown.length === 0) return undefined;
  return html`<section id="samples" aria-labelledby="samples-heading">
    <h2 id="samples-heading">Images and their views</h2>
    <p class="muted">The image as ingested, then the random views that self-supervised training sees of it; of volumes the middle slice.</p>
    <div class="samples">${shown.map(
      ({ caption, images }) =>
        html`<figure class="sample"><div class="strip">${images.map(
          (source, at) =>
            html`<img src="${source}" alt="${caption}, ${at === 0 ? 'as ingested' : `view ${at}`}" class="${at === 0 ? 'source' : ''}" width="84" height="84">`,
        )}</div><figcaption>${caption}</figcaption></figure>`,
    )}</div>
  </section>`;
}
