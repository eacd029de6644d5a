import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ScoresFormat } from '@medformer/gen/evaluation';
import { MedformerError } from '@medformer/schema';
import PQueue from 'p-queue';
import { checkEvaluationSpec } from '../commands/evaluate.js';
import type { Context } from '../context.js';
import { ingest } from '../ingest.js';
import { allOrNone, type Schedule } from '../schedule.js';
import { evaluate, type ScoredReport } from '../scores.js';
import { exportScores } from '../scores-export.js';
import type { Spec } from '../spec-file.js';
import { short, toJson } from '../terminal.js';
import { getRun } from '../training.js';
import { upload } from '../upload.js';
import type { BenchmarkPlan, PlannedSet } from './benchmark-plan.js';
import { isJoint, phasesOf, REGIME_LABELS, REGIMES, type RegimeName } from './regimes.js';

/** What came of one set. */
export interface SetResult {
  flag: string;
  title: string;
  /** Regimes that have all their runs: the rows of the record. */
  regimes: RegimeName[];
  /** Absent where no regime could be tested. */
  scored: ScoredReport | undefined;
  /** By regime, per seed: the step that validation AUC picked, and that AUC. */
  picked: Partial<Record<RegimeName, { seed: number; step: number; validationAuc: number }[]>>;
  /** Steps of self-supervision, where a regime has any. */
  sslSteps: number | undefined;
}

/**
 * Ingests all sets of the plan, then trains and tests each; a run on all sets is one. Every step is named by its input: what
 * was done before is found, and what was interrupted goes on. The result files and `results.json` are written after each set.
 * A regime of which a run failed is missing in its set, and named among the schedule's failures.
 * @param allowMd5Mismatch own data in the form of the sets
 * @returns in the order of the plan
 */
export async function runBenchmark(
  schedule: Schedule,
  plan: BenchmarkPlan,
  { output, allowMd5Mismatch }: { output: string; allowMd5Mismatch: boolean },
): Promise<SetResult[]> {
  const { context } = schedule;
  for (const set of plan.sets) await ingestSet(context, set, allowMd5Mismatch);
  await mkdir(output, { recursive: true });
  const done: (SetResult | undefined)[] = plan.sets.map(() => undefined);
  const finished = () => done.filter((result) => result !== undefined);
  const writing = new PQueue({ concurrency: 1 });
  await schedule.all(
    plan.sets.map(async (set, at) => {
      const result = await runSet(schedule, plan, set, at);
      done[at] = result;
      await writing.add(async () => {
        await writeFiles(context, result, join(output, set.flag));
        await writeFile(join(output, 'results.json'), `${toJson(finished().map(toSummary))}\n`);
        context.terminal.note(`${result.title}: done, ${finished().length} of ${plan.sets.length} sets`);
      });
    }),
  );
  return finished();
}

async function writeFiles(context: Context, { flag, scored }: SetResult, folder: string): Promise<void> {
  await removeResults(folder, flag);
  if (!scored) return;
  const format = ScoresFormat.SCORES_FORMAT_MEDMNIST;
  await exportScores(context, { report: scored.report, format, rows: [] }, folder);
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

/** A regime's checkpoint of one seed. */
interface Pick {
  seed: number;
  checkpoint: string;
  step: number;
  validationAuc: number;
}

async function runSet(
  schedule: Schedule,
  plan: BenchmarkPlan,
  set: PlannedSet,
  at: number,
): Promise<SetResult> {
  const { title } = set.reference;
  // Chain after chain, set after set, where they have to wait.
  const chains = plan.regimes.length * plan.seeds.length;
  const place = (row: number, column: number) => at * chains + row * plan.seeds.length + column;
  const trained = await Promise.all(
    plan.regimes.map(async (regime, row) => {
      const picks = await Promise.all(
        plan.seeds.map((seed, column) =>
          schedule.attempt(`${title}: ${REGIME_LABELS[regime]}, seed ${seed}`, () =>
            pickedOf(schedule, set, regime, seed, place(row, column)),
          ),
        ),
      );
      return { regime, picks: allOrNone(picks) };
    }),
  );
  const there = trained.flatMap(({ regime, picks }) => (picks ? [{ regime, picks }] : []));
  const picked = Object.fromEntries(
    there.map(({ regime, picks }) => [regime, picks.map(({ checkpoint: _, ...pick }) => pick)]),
  );
  const scored =
    there.length === 0
      ? undefined
      : await schedule.attempt(`${title}: test`, () => {
          const spec = testSpec(plan, set, there);
          checkEvaluationSpec(spec, set.flag);
          return schedule.work(() => evaluate(schedule.context, spec), (at + 1) * chains - 1);
        });
  const regimes = scored ? there.map(({ regime }) => regime) : [];
  const steps = phasesOf(plan.regimes).includes('ssl') ? Number(set.spec('ssl', 0).steps) : undefined;
  return { flag: set.flag, title, regimes, scored, picked, sslSteps: steps };
}

function testSpec(
  { size, seeds, intervals, regimes: [baseline] }: BenchmarkPlan,
  set: PlannedSet,
  trained: readonly { regime: RegimeName; picks: Pick[] }[],
): Spec {
  return {
    title: `${set.reference.title}, ${size}`,
    dataset: set.dataset,
    task: set.flag,
    seeds,
    dimensions: [set.dimensions],
    entries: trained.map(({ regime, picks }) => ({
      label: REGIME_LABELS[regime],
      protocol: 'head',
      checkpoints: picks.map(({ checkpoint }) => checkpoint),
    })),
    ...(intervals === undefined ? {} : { intervals }),
    // Every regime against the first, which is the baseline.
    compare: trained[0]?.regime === baseline ? trained.slice(1).map((_, at) => [at + 1, 0]) : [],
  };
}

/** Trains the regime's runs, each from the weights of the one before, and picks among the checkpoints of the last. */
async function pickedOf(
  schedule: Schedule,
  set: PlannedSet,
  regime: RegimeName,
  seed: number,
  place: number,
): Promise<Pick> {
  let initial = {};
  let last = '';
  for (const phase of REGIMES[regime]) {
    const of = isJoint(phase) ? 'all sets' : set.reference.title;
    const label = `${of}: ${REGIME_LABELS[regime]}, seed ${seed}: ${phase}`;
    const run = await schedule.train({ ...set.spec(phase, seed), ...initial }, label, place);
    initial = { initial: { checkpoint: run.checkpoint } };
    last = run.run;
  }
  return schedule.work(() => pickByValidation(schedule.context, set, regime, last, seed), place);
}

/**
 * The checkpoint of a run with the highest validation AUC of its own head, the earliest of equals. One that an interrupt left
 * between the planned ones is none to pick.
 */
async function pickByValidation(
  context: Context,
  set: PlannedSet,
  regime: RegimeName,
  run: string,
  seed: number,
): Promise<Pick> {
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
  context.terminal.note(
    `${set.reference.title}: ${REGIME_LABELS[regime]}, seed ${seed}: step ${step} picked, validation AUC ${values[best]!.toFixed(3)}`,
  );
  return { seed, checkpoint, step: Number(step), validationAuc: values[best]! };
}

/** What is written of a set: scores and addresses, no confusion. */
export function toSummary({ scored, ...result }: SetResult) {
  if (!scored) return { ...result, rows: [], tests: [] };
  const { report, record } = scored;
  return {
    ...result,
    report,
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
