import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ScoresFormat } from '@medformer/gen/evaluation';
import { MedformerError, type ScoreReport } from '@medformer/schema';
import { checkEvaluationSpec } from '../commands/evaluate.js';
import type { Context } from '../context.js';
import { ingest } from '../ingest.js';
import { evaluate } from '../scores.js';
import { exportScores } from '../scores-export.js';
import { short, toJson } from '../terminal.js';
import { getRun, trainToEnd } from '../training.js';
import { upload } from '../upload.js';
import type { BenchmarkPlan, PlannedSet } from './benchmark-plan.js';
import { phasesOf, REGIME_LABELS, REGIMES, type RegimeName } from './regimes.js';

/** What came of one set. */
export interface SetResult {
  flag: string;
  title: string;
  report: string;
  record: ScoreReport;
  /** By regime, per seed: the step that validation AUC picked, and that AUC. */
  picked: Record<string, { seed: number; step: number; validationAuc: number }[]>;
  /** Steps of self-supervision, where a regime has any. */
  sslSteps: number | undefined;
}

/**
 * Ingests all sets of the plan, then trains and tests each in turn; runs on all sets are trained when the first needs them. Every
 * step is named by its input: what was done before is found,
 * and what was interrupted goes on. The result files and `results.json` are written after each set.
 * @param allowMd5Mismatch own data in the form of the sets
 */
export async function runBenchmark(
  context: Context,
  plan: BenchmarkPlan,
  { output, allowMd5Mismatch }: { output: string; allowMd5Mismatch: boolean },
): Promise<SetResult[]> {
  for (const set of plan.sets) await ingestSet(context, set, allowMd5Mismatch);
  const results: SetResult[] = [];
  for (const [at, set] of plan.sets.entries()) {
    context.terminal.note(`\n${set.reference.title} (${at + 1} of ${plan.sets.length})`);
    const result = await runSet(context, plan, set);
    results.push(result);
    const folder = join(output, set.flag);
    await removeResults(folder, set.flag);
    const format = ScoresFormat.SCORES_FORMAT_MEDMNIST;
    await exportScores(context, { report: result.report, format, rows: [] }, folder);
    await mkdir(output, { recursive: true });
    await writeFile(join(output, 'results.json'), `${toJson(results.map(toSummary))}\n`);
  }
  return results;
}

/** Result files of an earlier plan would stand among those of this one: their names hold scores. */
async function removeResults(folder: string, flag: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const isResult = (name: string) => name.startsWith(flag) && /@\d+-.+-seed--?\d+\.csv$/.test(name);
  for (const name of names.filter(isResult)) await rm(join(folder, name));
}

async function ingestSet(context: Context, set: PlannedSet, allowMd5Mismatch: boolean): Promise<void> {
  const { manifest, images, alreadyPresent } = await ingest(context, {
    name: set.dataset,
    source: { $case: 'uploadId', value: await upload(context, set.file) },
    options: {
      description: '',
      modality: '',
      bodyPart: '',
      splitSeed: 0n,
      valFraction: 0,
      testFraction: 0,
      skipBadFiles: false,
      allowMd5Mismatch,
      normalisation: {},
      resampleShape: [],
      resampleSpacingMm: [],
    },
  });
  const before = alreadyPresent ? ' (found, ingested before)' : '';
  context.terminal.note(`${set.reference.title}: dataset ${short(manifest)}, ${images} images${before}`);
}

async function runSet(context: Context, plan: BenchmarkPlan, set: PlannedSet): Promise<SetResult> {
  const picked: SetResult['picked'] = {};
  const entries: { label: string; protocol: 'head'; checkpoints: string[] }[] = [];
  for (const regime of plan.regimes) {
    const picks: { checkpoint: string; step: number; validationAuc: number; seed: number }[] = [];
    for (const seed of plan.seeds) {
      const run = await trainRegime(context, set, regime, seed);
      picks.push({ seed, ...(await pickByValidation(context, set, run, seed)) });
    }
    picked[regime] = picks.map(({ seed, step, validationAuc }) => ({ seed, step, validationAuc }));
    const checkpoints = picks.map(({ checkpoint }) => checkpoint);
    entries.push({ label: REGIME_LABELS[regime], protocol: 'head', checkpoints });
  }
  const spec = {
    title: `${set.reference.title}, ${plan.size}`,
    dataset: set.dataset,
    task: set.flag,
    seeds: plan.seeds,
    dimensions: [set.dimensions],
    entries,
    ...(plan.intervals === undefined ? {} : { intervals: plan.intervals }),
    // Every regime against the first, which is the baseline.
    compare: entries.slice(1).map((_, at) => [at + 1, 0]),
  };
  checkEvaluationSpec(spec, set.flag);
  const { report, record } = await evaluate(context, spec);
  const steps = phasesOf(plan.regimes).includes('ssl') ? Number(set.spec('ssl', 0).steps) : undefined;
  return { flag: set.flag, title: set.reference.title, report, record, picked, sslSteps: steps };
}

/** @returns the id of the regime's last run */
async function trainRegime(
  context: Context,
  set: PlannedSet,
  regime: RegimeName,
  seed: number,
): Promise<string> {
  let initial = {};
  let last = '';
  for (const phase of REGIMES[regime]) {
    const label = `  ${REGIME_LABELS[regime]}, seed ${seed}: ${phase}`;
    const run = await trainToEnd(context, { ...set.spec(phase, seed), ...initial }, label);
    initial = { initial: { checkpoint: run.checkpoint } };
    last = run.run;
  }
  return last;
}

/**
 * The checkpoint of a run with the highest validation AUC of its own head, the earliest of equals. One that an interrupt left
 * between the planned ones is none to pick.
 */
async function pickByValidation(
  context: Context,
  set: PlannedSet,
  run: string,
  seed: number,
): Promise<{ checkpoint: string; step: number; validationAuc: number }> {
  const { run: ended, checkpoints: kept } = await getRun(context, run);
  const checkpoints = kept.filter(({ step, keptAs }) => keptAs.includes('every') || step === ended.steps);
  if (checkpoints.length === 0) throw new MedformerError('DATA_LOSS', `run ${run} has no checkpoint`);
  const spec = {
    title: `${set.reference.title}: which step`,
    dataset: set.dataset,
    task: set.flag,
    split: 'val',
    seeds: [seed],
    dimensions: [set.dimensions],
    entries: checkpoints.map(({ step, checkpoint }) => ({
      label: `step ${step}`,
      protocol: 'head',
      checkpoints: [checkpoint],
    })),
  };
  const { record } = await evaluate(context, spec);
  const values = record.rows.map((row) => row.auc.mean);
  const best = values.indexOf(Math.max(...values));
  const { step, checkpoint } = checkpoints[best]!;
  context.terminal.note(`  step ${step} picked: validation AUC ${values[best]!.toFixed(3)}`);
  return { checkpoint, step: Number(step), validationAuc: values[best]! };
}

/** What is written of a set: scores and addresses, no confusion. */
export function toSummary({ record, ...result }: SetResult) {
  return {
    ...result,
    dataset: record.spec.dataset,
    seeds: record.spec.seeds,
    synthetic: record.synthetic,
    testImages: record.testImages,
    rows: record.rows.map(({ label, auc, accuracy, averagePrecision, f1, intervals, checkpoints }) => ({
      label,
      checkpoints,
      auc,
      accuracy,
      averagePrecision,
      f1,
      intervals,
    })),
    tests: record.tests,
    codeVersion: record.codeVersion,
  };
}
