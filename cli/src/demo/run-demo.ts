import { basename } from 'node:path';
import { RunState } from '@medformer/gen/trainer';
import { describeEmbedding, encodeFile, loadModel } from '../commands/encode.js';
import { checkEvaluationSpec } from '../commands/evaluate.js';
import { sampleRequest } from '../commands/report.js';
import type { Context } from '../context.js';
import { describeDatasets } from '../data-report.js';
import { ingest } from '../ingest.js';
import { writeReportPage } from '../report-page.js';
import { evaluate, scoreTable } from '../scores.js';
import { seconds, short } from '../terminal.js';
import { followRun, startRun } from '../training.js';
import { upload } from '../upload.js';
import { drawViews } from '../views.js';
import { type DemoPlan, readDemoPlan, startingFrom } from './demo-plan.js';

/**
 * The main job in one command. Every step asks the services for a result that is named by its input, so a step that
 * was done before answers at once and an interrupted one goes on.
 */
export async function runDemo(context: Context, planFile: string, page: string): Promise<void> {
  const { terminal } = context;
  const started = performance.now();
  const plan = await readDemoPlan(planFile);

  terminal.note('\n1 Ingest');
  const dataset = await ingestPhantom(context, plan);
  const { leakage } = await describeDatasets(context, { datasets: [dataset] });
  terminal.note(`  ${leakage || 'no image and no subject stands in two splits'}`);
  await ingestFiles(context, plan);

  terminal.note('\n2 Train');
  const checkpoints = await trainAll(context, plan);

  terminal.note('\n3 Evaluate');
  const spec = plan.evaluationSpec(checkpoints);
  checkEvaluationSpec(spec, plan.evaluation);
  const { report, record } = await evaluate(context, spec);
  terminal.note(`\n${scoreTable(record)}`);

  terminal.note('\n4 Report');
  const methods = [...new Set(plan.runs.map((run) => methodOf(run.spec)))].filter(
    (name) => name !== 'supervised',
  );
  const samples = [];
  for (const method of methods) samples.push(...(await drawViews(context, sampleRequest(dataset, method))));
  await writeReportPage(context, report, samples, page);
  terminal.note(`  ${page}: open it in a browser`);

  terminal.note('\n5 Serve and encode');
  const served = checkpoints.get(plan.runs[0]!.key)!;
  await loadModel(context, served);
  const { file, modality, bodyPart } = plan.encode;
  const answer = await encodeFile(context, file, { modality, bodyPart });
  terminal.note(indent(describeEmbedding(answer)));
  terminal.note(repeatWithGrpcurl(file, modality, bodyPart));

  const wallSeconds = (performance.now() - started) / 1000;
  terminal.note(`\nDone in ${seconds(wallSeconds)}.`);
  if (terminal.json) terminal.result({ report, record, page, served, wallSeconds, embedding: answer }, '');
}

async function ingestPhantom(context: Context, { phantom }: DemoPlan): Promise<string> {
  const { name, seed, patients, volumePatients } = phantom;
  const outcome = await ingest(context, {
    name,
    source: {
      $case: 'phantom',
      value: {
        seed: BigInt(seed),
        patients,
        volumePatients,
        imageShape: [],
        volumeShape: [],
        groups: undefined,
      },
    },
    options: undefined,
  });
  sayIngested(context, outcome);
  return outcome.manifest;
}

async function ingestFiles(context: Context, { files }: DemoPlan): Promise<void> {
  const uploadId = await upload(context, files.path);
  const outcome = await ingest(context, {
    name: files.name,
    source: { $case: 'uploadId', value: uploadId },
    options: undefined,
  });
  sayIngested(context, outcome);
}

function sayIngested(
  { terminal }: Context,
  { name, manifest, images, subjects, alreadyPresent }: Awaited<ReturnType<typeof ingest>>,
): void {
  const before = alreadyPresent ? ' (found, ingested before)' : '';
  terminal.note(`  ${name} ${short(manifest)}: ${images} images of ${subjects} subjects${before}`);
}

/** @returns each run's checkpoint by the run's key */
async function trainAll(context: Context, { runs }: DemoPlan): Promise<Map<string, string>> {
  const { terminal } = context;
  const checkpoints = new Map<string, string>();
  for (const { key, label, spec, initialRun } of runs) {
    const initial = initialRun && checkpoints.get(initialRun)!;
    const begun = await startRun(context, initial ? startingFrom(spec, initial) : spec);
    const found = begun.state === RunState.RUN_STATE_SUCCEEDED;
    if (!found && begun.step > 0n) terminal.note(`  ${label}: goes on from step ${begun.step}`);
    const run = await followRun(context, begun, `  ${label}`);
    terminal.note(
      `  ${label} ${short(run.run)}: ${run.steps} steps${found ? ' (found, trained before)' : ''}`,
    );
    checkpoints.set(key, run.checkpoint);
  }
  return checkpoints;
}

function methodOf(spec: Record<string, unknown>): string {
  return (spec.method as { name: string }).name;
}

/** The same call without this project's code. */
function repeatWithGrpcurl(file: string, modality: string, bodyPart: string): string {
  const body = `{"file":{"name":"${basename(file)}","content":"'$(base64 -w0 ${file})'"},"modality":"${modality}","body_part":"${bodyPart}"}`;
  return `
  Again, from any language: \`make up\` starts the services (the encoder still serves this checkpoint), then
    grpcurl -plaintext -d '${body}' \\
      localhost:50050 medformer.encoder.v1.EncoderService/Encode`;
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '  ');
}
