import type { DataReport } from '@medformer/schema';
import { type Html, html } from '../html.js';
import { plural } from '../numbers.js';

export function cohortHeader(report: DataReport): Html {
  const { datasets, groups, duplicates, sharedSubjects, similarity } = report;
  const leaking = duplicates.exact.leaking + duplicates.near.leaking;
  const sum = (counts: Partial<Record<string, number>>) =>
    Object.values(counts).reduce<number>((total, count) => total + (count ?? 0), 0);
  const images = datasets.reduce((total, dataset) => total + sum(dataset.images), 0);
  const subjects = datasets.reduce((total, dataset) => total + sum(dataset.subjects), 0);
  const { within, between } = similarity.pixels;
  const facts: [string, string][] = [
    ['Images', `${images.toLocaleString('en')} of ${plural(subjects, 'subject')}`],
    [
      'Splits',
      datasets
        .map((of) =>
          Object.entries(of.images)
            .map(([split, count]) => `${split} ${count}`)
            .join(', '),
        )
        .join('; '),
    ],
    ['Groups', `${groups.length} of modality and body part`],
    ['Within groups', within === null ? 'unknown' : `correlation ${within.toFixed(2)}`],
    ['Between groups', between === null ? 'unknown' : `correlation ${between.toFixed(2)}`],
    ['Within splits', plural(duplicates.exact.within + duplicates.near.within, 'duplicate')],
    ['Blank images', String(report.blankImages)],
  ];
  return html`<header>
    <p class="eyebrow">Medformer data report</p>
    <h1>${datasets.map(({ name }) => name).join(', ')}</h1>
    ${
      datasets.some(({ synthetic }) => synthetic) &&
      html`<p class="notice"><strong>Synthetic phantom.</strong> Images are generated, no patient was scanned.</p>`
    }
    ${
      leaking + sharedSubjects.length > 0
        ? html`<p class="notice"><strong>Leakage:</strong> ${plural(leaking, 'pair')} of images and ${plural(sharedSubjects.length, 'subject')} stand in two splits. Scores on such a split are too high; training refuses it unless the run's spec says <code>leakage: warn</code>.</p>`
        : html`<p class="finding">No image and no subject stands in two splits.</p>`
    }
    <dl class="facts">${facts.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>
  </header>`;
}
