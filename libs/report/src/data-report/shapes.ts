import type { DataReport } from '@medformer/schema';
import { type Html, html } from '../html.js';

export function shapes({ datasets, groups }: DataReport): Html {
  return html`<section id="shapes" aria-labelledby="shapes-heading">
    <h2 id="shapes-heading">Shapes and groups</h2>
    <div class="scroll"><table class="scores">
      <thead><tr><th scope="col">Data set</th><th scope="col">Shape</th><th scope="col">Images</th></tr></thead>
      <tbody>${datasets.flatMap(({ name, shapes }) =>
        shapes.map(
          ({ shape, pixelType, images }) =>
            html`<tr><th scope="row">${name}</th><td class="text">${shape.join(' × ')} ${pixelType}</td><td>${images}</td></tr>`,
        ),
      )}</tbody>
    </table></div>
    <div class="scroll"><table class="scores">
      <thead><tr><th scope="col">Group</th><th scope="col">Data set</th><th scope="col">Images</th><th scope="col">Subjects</th></tr></thead>
      <tbody>${groups.map(
        ({ dataset, modality, bodyPart, axes, images, subjects }) =>
          html`<tr><th scope="row">${modality} ${bodyPart}, ${axes}D</th><td class="text">${datasets[dataset]!.name}</td><td>${images}</td><td>${subjects}</td></tr>`,
      )}</tbody>
    </table></div>
  </section>`;
}
