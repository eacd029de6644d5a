import { Html, html } from './html.js';
import type { ReportInput } from './report-input.js';
import { SCRIPT } from './script.js';
import { confusions } from './sections/confusions.js';
import { embeddingMaps } from './sections/embedding-maps.js';
import { header } from './sections/header.js';
import { lineage } from './sections/lineage.js';
import { perClass } from './sections/per-class.js';
import { repeat } from './sections/repeat.js';
import { results } from './sections/results.js';
import { samples } from './sections/samples.js';
import { tests } from './sections/tests.js';
import { trainingCurves } from './sections/training-curves.js';
import { STYLE } from './style.js';

/** The page may run its own inline style and script and show its own pictures, and reach nothing else. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/**
 * A score report as one self-contained HTML page: results, training curves, sample views, embedding maps, confusion,
 * lineage and how to repeat it. It loads nothing; a content security policy inside it says so. Light and dark.
 */
export function renderReport(input: ReportInput): string {
  const { report, checkpoints } = input;
  const sections: [id: string, name: string, section: Html | undefined][] = [
    ['results', 'Results', results(report)],
    ['tests', 'Tests', tests(report)],
    ['training', 'Training', trainingCurves(report, checkpoints)],
    ['samples', 'Images', samples(input.samples ?? [])],
    ['embeddings', 'Embedding map', embeddingMaps(report)],
    ['confusion', 'Confusion', confusions(report)],
    ['per-class', report.taskKind === 'multi-label' ? 'Per label' : 'Per class', perClass(report)],
    ['lineage', 'Lineage', lineage(input)],
    ['repeat', 'Repeat', repeat(input)],
  ];
  const shown = sections.filter(([, , section]) => section !== undefined);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${new Html(POLICY)}">
<title>${report.spec.title} · Medformer score report</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<main>
${header(input)}
<nav aria-label="Sections">${shown.map(([id, name]) => html`<a href="#${id}">${name}</a>`)}</nav>
${shown.map(([, , section]) => section)}
<footer>Report ${input.hash}</footer>
</main>
<script>${new Html(SCRIPT)}</script>
</body>
</html>
`;
  return page.markup;
}
