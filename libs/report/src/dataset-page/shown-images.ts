import type { LabelSpace } from '@medformer/schema';
import { type Html, html } from '../html.js';
import type { ShownImage } from './render-dataset-page.js';

export function shownImages(
  id: string,
  name: string,
  images: readonly ShownImage[],
  spaces: readonly LabelSpace[],
): Html {
  const hung = images.some(({ orientation }) => orientation !== undefined);
  return html`<section id="${id}" aria-labelledby="${id}-heading">
    <h2 id="${id}-heading">${name}</h2>
    ${hung && html`<p class="muted">Where the orientation is known: head or front up, the patient's right or front to the left; of volumes the planes through the middle.</p>`}
    <div class="samples">${images.map((image) => figure(image, spaces))}</div>
  </section>`;
}

function figure(image: ShownImage, spaces: readonly LabelSpace[]): Html {
  const { modality, bodyPart, pictures, split } = image;
  const labels = spaces.flatMap((space) => labelText(space, image.labels[space.task]));
  return html`<figure class="sample"><div class="strip">${pictures.map(
    ({ plane, source }) =>
      html`<img src="${source}" alt="${modality} ${bodyPart}, ${plane}" title="${plane}" width="84" height="84">`,
  )}</div><figcaption><strong>${split}</strong>${labels.map((text) => html` · ${text}`)}<br>${geometry(image)}<br><code>${image.id}</code></figcaption></figure>`;
}

/** `512 × 512 uint16, 0.7 × 0.7 mm, RAS`. */
function geometry({ shape, pixelType, spacingMm, orientation }: ShownImage): string {
  const channels = shape.at(-1) === 1 ? '' : ' colour';
  return [
    `${shape.slice(0, -1).join(' × ')} ${pixelType}${channels}`,
    spacingMm ? `${spacingMm.map((mm) => Number(mm.toFixed(3))).join(' × ')} mm` : 'spacing unknown',
    orientation ?? 'as stored',
  ].join(', ');
}

function labelText({ task, classes }: LabelSpace, label: number | number[] | undefined): string[] {
  if (label === undefined) return [];
  if (!Array.isArray(label)) return [`${task} ${classes[label]}`];
  const positive = classes.filter((_, at) => label[at] === 1);
  return [`${task} ${positive.length > 0 ? positive.join(', ') : 'none'}`];
}
