import { page, type Section } from './page.js';
import type { ReportInput } from './report-input.js';
import { SCRIPT } from './script.js';
import { confusions } from './sections/confusions.js';
import { embeddingMaps } from './sections/embedding-maps.js';
import { fusions } from './sections/fusions.js';
import { header } from './sections/header.js';
import { lineage } from './sections/lineage.js';
import { perClass } from './sections/per-class.js';
import { repeat } from './sections/repeat.js';
import { results } from './sections/results.js';
import { samples } from './sections/samples.js';
import { tests } from './sections/tests.js';
import { trainingCurves } from './sections/training-curves.js';

/**
 * A score report as one self-contained HTML page: results, training curves, sample views, fusions, embedding maps, confusion,
 * lineage and how to repeat it. Light and dark.
 */
export function renderReport(input: ReportInput): string {
  const { report, checkpoints } = input;
  const sections: Section[] = [
    ['results', 'Results', results(report)],
    ['tests', 'Tests', tests(report)],
    ['training', 'Training', trainingCurves(report, checkpoints)],
    ['samples', 'Images', samples(input.samples ?? [])],
    ['fusions', 'Fusions', input.fusions && fusions(input.fusions)],
    ['embeddings', 'Embedding map', embeddingMaps(report)],
    ['confusion', 'Confusion', confusions(report)],
    ['per-class', report.taskKind === 'multi-label' ? 'Per label' : 'Per class', perClass(report)],
    ['lineage', 'Lineage', lineage(input)],
    ['repeat', 'Repeat', repeat(input)],
  ];
  return page({
    title: `${report.spec.title} · Medformer score report`,
    header: header(input),
    sections,
    footer: `Report ${input.hash}`,
    script: SCRIPT,
  });
}
