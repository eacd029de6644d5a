import { type DatasetManifest, Split } from '@medformer/schema';
import { type Html, html } from '../html.js';

/** How many images of each class stand in each split, and of which shapes they are. */
export function census({ census: counted, labelSpaces }: DatasetManifest): Html {
  const splits = Split.options.filter((split) => counted.images[split] !== undefined);
  const rows = labelSpaces.flatMap(({ task, classes }) =>
    classes.map((name, at) => ({
      task,
      name,
      counts: splits.map((split) => counted.labels[task]?.[split]?.[at] ?? 0),
    })),
  );
  const number = (count: number) => html`<td>${count.toLocaleString('en')}</td>`;
  return html`<section id="census" aria-labelledby="census-heading">
    <h2 id="census-heading">Census</h2>
    ${
      rows.length > 0 &&
      html`<div class="scroll"><table class="scores">
      <thead><tr><th scope="col">Task</th><th scope="col">Class</th>${splits.map((split) => html`<th scope="col">${split}</th>`)}</tr></thead>
      <tbody>${rows.map(
        ({ task, name, counts }) =>
          html`<tr><th scope="row">${task}</th><td class="text">${name}</td>${counts.map(number)}</tr>`,
      )}</tbody>
    </table></div>`
    }
    <div class="scroll"><table class="scores">
      <thead><tr><th scope="col">Shape</th><th scope="col">Pixels</th><th scope="col">Images</th></tr></thead>
      <tbody>${counted.shapes.map(
        ({ shape, pixelType, images }) =>
          html`<tr><th scope="row">${shape.join(' × ')}</th><td class="text">${pixelType}</td>${number(images)}</tr>`,
      )}</tbody>
    </table></div>
  </section>`;
}
