import { type CheckpointRecord, drawsLabels, labelDrawText } from '@medformer/schema';
import { type Html, html } from '../html.js';
import { plural } from '../numbers.js';
import type { ReportInput } from '../report-input.js';

export function lineage({ hash, report, dataset, checkpoints }: ReportInput): Html {
  const named = new Map(report.rows.flatMap((row) => row.checkpoints.map((address) => [address, row.label])));
  const { source, splits, census } = dataset;
  const images = Object.entries(census.images).map(([split, count]) => `${split} ${count}`);
  return html`<section id="lineage" aria-labelledby="lineage-heading">
    <h2 id="lineage-heading">Where the numbers come from</h2>
    <p class="muted">Every artefact is named by the SHA-256 of its content: equal names mean equal bytes.</p>
    <div class="scroll"><table class="lineage">
      <thead><tr><th scope="col">Artefact</th><th scope="col">What it is</th><th scope="col">Address</th><th scope="col">Code version</th></tr></thead>
      <tbody>
        <tr><th scope="row">Report</th><td>${report.spec.title}</td><td>${address(hash)}</td><td>${report.codeVersion}</td></tr>
        ${[...named].map(([checkpoint, label]) => checkpointRows(checkpoint, label, checkpoints.get(checkpoint)))}
        <tr><th scope="row">Data set</th><td>${dataset.name}: ${images.join(', ')} images; ${source.synthetic ? 'synthetic phantom, ' : ''}${source.format}, ${plural(source.files, 'file')}; split ${splits.policy === 'by-subject' ? `by subject, seed ${splits.seed}` : 'as given'}; ${dataset.deidentification.profile}</td><td>${address(report.spec.dataset)}</td><td>${dataset.codeVersion}</td></tr>
        <tr><th scope="row">Source files</th><td>digest over paths and bytes of what was ingested</td><td>${address(source.digest)}</td><td></td></tr>
      </tbody>
    </table></div>
  </section>`;
}

function checkpointRows(checkpoint: string, label: string, record: CheckpointRecord | undefined): Html {
  if (!record) {
    return html`<tr><th scope="row">Checkpoint</th><td>${label}</td><td>${address(checkpoint)}</td><td></td></tr>`;
  }
  const { spec, model } = record;
  const labels =
    spec.method.name === 'supervised' && drawsLabels(spec.method)
      ? `, ${labelDrawText(spec.method)} (label seed ${spec.method.labelSeed})`
      : '';
  return html`<tr><th scope="row">Checkpoint</th><td>${label}: step ${record.step} of ${spec.steps}; width ${model.width}, ${model.depth} blocks, ${model.latents} latents</td><td>${address(checkpoint)}</td><td>${record.codeVersion}</td></tr>
    <tr><th scope="row">Run</th><td>${label}: ${spec.method.name}${labels}, batch ${spec.batchSize}, seed ${spec.seed}</td><td>${address(record.run)}</td><td>${spec.codeVersion}</td></tr>`;
}

function address(hash: string): Html {
  return html`<code class="hash">${hash}</code>`;
}
