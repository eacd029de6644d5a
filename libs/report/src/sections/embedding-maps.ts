import type { EmbeddingMap, ScoreReport } from '@medformer/schema';
import * as Plot from '@observablehq/plot';
import { chart } from '../chart.js';
import { type Html, html } from '../html.js';
import { plural } from '../numbers.js';
import { classColours } from '../palette.js';

const SYMBOLS = ['circle', 'triangle2', 'square2', 'diamond2', 'star', 'cross', 'wye'] as const;
/** The same shapes as text, for the legend. */
const GLYPHS = ['●', '▲', '■', '◆', '★', '✚', 'Y'] as const;

export function embeddingMaps(report: ScoreReport): Html | undefined {
  const maps = report.embeddingMaps.filter(({ points }) => points.length > 0);
  if (maps.length === 0) return undefined;
  const modalities = [
    ...new Set(maps.flatMap(({ points }) => points.map(({ modality }) => modality))),
  ].sort();
  const several = maps.some(({ points }) => points.some((point) => point.class === undefined));
  const classes = several ? [...report.classes, 'none or several'] : report.classes;
  return html`<section id="embeddings" aria-labelledby="embeddings-heading">
    <h2 id="embeddings-heading">Embedding map</h2>
    <p class="muted">Test embeddings laid out by UMAP: colour is the class, shape the modality. Near points are near embeddings; distances between far groups mean little. The effective rank says how many directions the embeddings use. These checkpoints were trained without labels.</p>
    ${legend(classes, modalities)}
    <div class="grid">${maps.map((map) => scatter(map, classes, modalities))}</div>
  </section>`;
}

function legend(classes: string[], modalities: string[]): Html {
  const colours = classColours(classes.length);
  return html`<div class="legend" role="group" aria-label="Show or hide points">
    <fieldset><legend>Modality</legend>${modalities.map(
      (modality, at) =>
        html`<label><input type="checkbox" checked data-modality="${modality}"><span aria-hidden="true">${GLYPHS[at % GLYPHS.length]}</span> ${modality}</label>`,
    )}</fieldset>
    <fieldset><legend>Class</legend>${classes.map(
      (name, at) =>
        html`<label><input type="checkbox" checked data-class="${at}"><span class="dot" style="background:${colours[at]}"></span>${name}</label>`,
    )}</fieldset>
  </div>`;
}

function scatter({ label, points, embeddings }: EmbeddingMap, classes: string[], modalities: string[]): Html {
  const colours = classColours(classes.length);
  return html`<figure class="map"><figcaption><strong>${label}</strong><span class="muted"> ${plural(points.length, 'test image')}; spread ${embeddings.std.toFixed(2)}, effective rank ${embeddings.effectiveRank.toFixed(1)} of ${embeddings.width}</span></figcaption>${chart(
    {
      width: 560,
      height: 480,
      axis: null,
      margin: 10,
      marks: [
        // One group of points per class and modality, so that the page can hide either.
        ...classes.flatMap((name, index) =>
          modalities.map((modality, shape) =>
            Plot.dot(
              points.filter(
                (point) => (point.class ?? classes.length - 1) === index && point.modality === modality,
              ),
              {
                x: 'x',
                y: 'y',
                r: 3.4,
                symbol: SYMBOLS[shape % SYMBOLS.length]!,
                fill: colours[index]!,
                fillOpacity: 0.8,
                stroke: 'none',
                className: `points class-${index} modality-${modality}`,
                ariaLabel: `${name}, ${modality}`,
              },
            ),
          ),
        ),
      ],
    },
    {
      title: `${label}: embedding map`,
      description: `UMAP of ${points.length} test embeddings, coloured by ${classes.length} classes and shaped by modality (${modalities.join(', ')}).`,
    },
  )}</figure>`;
}
