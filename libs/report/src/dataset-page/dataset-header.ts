import type { DatasetManifest } from '@medformer/schema';
import { type Html, html } from '../html.js';
import { plural } from '../numbers.js';

export function datasetHeader({
  name,
  description,
  source,
  census,
  splits,
  deidentification,
}: DatasetManifest): Html {
  const counts = (of: Partial<Record<string, number>>) =>
    Object.entries(of)
      .map(([key, count]) => `${key} ${count?.toLocaleString('en')}`)
      .join(', ');
  const facts: [string, string][] = [
    ['Images', counts(census.images)],
    ['Subjects', counts(census.subjects)],
    ['Split', splits.policy === 'by-subject' ? `by subject, seed ${splits.seed}` : 'as given'],
    ['Modalities', counts(census.modalities)],
    ['Body parts', counts(census.bodyParts)],
    ['Source', `${source.format}, ${plural(source.files, 'file')}`],
    ['De-identification', deidentification.profile],
  ];
  return html`<header>
    <p class="eyebrow">Medformer data set</p>
    <h1>${name}</h1>
    ${source.synthetic && html`<p class="notice"><strong>Synthetic phantom.</strong> Images are generated, no patient was scanned.</p>`}
    ${description !== '' && html`<p>${description}</p>`}
    <dl class="facts">${facts.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>
  </header>`;
}
