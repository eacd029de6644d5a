import { drawsLabels, labelDrawText } from '@medformer/schema';
import { summariseFindings } from '../findings.js';
import { type Html, html } from '../html.js';
import { chanceAccuracy, percent, plural } from '../numbers.js';
import type { ReportInput } from '../report-input.js';
import { collapsedRows } from '../run-health.js';

export function header({ report, dataset, checkpoints }: ReportInput): Html {
  const { spec } = report;
  const collapsed = collapsedRows(report, checkpoints);
  const facts: [string, string][] = [
    ['Data set', `${report.datasetName}, ${[...spec.dimensions].map((axes) => `${axes}D`).join(' and ')}`],
    [
      'Task',
      `${spec.task}, ${report.classes.length} ${report.taskKind === 'multi-label' ? 'labels per image' : 'classes'}`,
    ],
    ['Chance', `${percent(chanceAccuracy(report))} % accuracy, 50 % AUC`],
    [
      spec.split === 'val' ? 'Validation split' : 'Test split',
      `${plural(report.testImages, 'image')} of ${plural(report.testSubjects, 'subject')}`,
    ],
    ['Training labels', drawsLabels(spec) ? `${labelDrawText(spec)}, drawn by seed` : 'all'],
    ['Seeds', spec.seeds.join(', ')],
  ];
  return html`<header>
    <p class="eyebrow">Medformer score report</p>
    <h1>${spec.title}</h1>
    ${
      report.synthetic &&
      html`<p class="notice"><strong>Synthetic phantom.</strong> The images are generated, no patient was scanned. The scores compare methods with each other and say nothing about clinical images.</p>`
    }
    <p class="finding">${summariseFindings(report, checkpoints)}</p>
    ${
      collapsed.length > 0 &&
      html`<p class="notice"><strong>Collapsed while training:</strong> ${collapsed.join(', ')}. All images had nearly the same embedding; the scores of such a run say nothing about its method.</p>`
    }
    ${
      report.leakage !== undefined &&
      html`<p class="notice"><strong>Leakage:</strong> ${report.leakage}. The scores are too high.</p>`
    }
    <dl class="facts">${facts.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>
    ${dataset.description && html`<p class="muted">${dataset.description}</p>`}
  </header>`;
}
