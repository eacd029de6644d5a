import { setImmediate } from 'node:timers/promises';
import { type LoadedCheckpoint, putEmbeddingMoments, referFor } from '@medformer/checkpoint';
import { resolveDataset } from '@medformer/dataset';
import {
  compareRows,
  knnScores,
  type Matrix,
  momentsOf,
  probeScores,
  type Repetition,
  repetitionsOf,
  rowIntervals,
  type SeededScores,
  scoreRow,
  subjectUnits,
  takeLabels,
} from '@medformer/evaluators';
import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import {
  BootstrapSpec,
  type CheckpointRecord,
  contentAddress,
  type EmbeddingMap,
  type EvaluationSpec,
  type PairedTest,
  type ScoreReport,
  type ScoreRow,
} from '@medformer/schema';
import { methodOf } from '@medformer/ssl';
import { useBackend } from '@medformer/tensorflow';
import { type CheckpointFeatures, computeFeatures, type NeededFeatures } from './checkpoint-features.js';
import { embeddingMapOf } from './embedding-map.js';
import { checkTrainDataset, labelSpaceOf, loadEntryCheckpoints } from './entries.js';
import type { EvaluationCalls, EvaluationProgress } from './evaluation-calls.js';
import { evaluationId } from './evaluation-record.js';
import { dropParts, keptFeatures } from './feature-parts.js';
import { type LabelledImages, loadLabelled } from './labelled-images.js';
import { putReportFiles } from './report-files.js';
import { putReport } from './report-store.js';
import { putScores, rounded } from './row-scores.js';
import { StageProgress } from './stage-progress.js';
import { trainedLeakage } from './trained-leakage.js';

type Entry = EvaluationSpec['entries'][number];

const PROTOCOL_STAGES = { 'linear-probe': 'linear probe', knn: 'kNN', head: 'own head' } as const;

/**
 * Scores every entry of the specification on the split that it names and stores the report.
 *
 * Each checkpoint runs once over the test images and once over the training images that any seed draws; protocols and
 * seeds share the embeddings. Each checkpoint's embeddings are kept until the report is written, so that an evaluation
 * that was stopped goes on from there.
 * @throws MedformerError as the specification, the artefacts it names or the signal demand.
 */
export async function evaluate(
  { store: storeConfig, ...input }: EvaluationCalls['evaluate']['input'],
  context: { signal: AbortSignal; progress(event: EvaluationProgress): void },
): Promise<EvaluationCalls['evaluate']['output']> {
  const { spec } = input;
  const store = await openObjectStore(storeConfig);
  const checkpoints = [...new Set(spec.entries.flatMap((entry) => entry.checkpoints))];
  // What a report scores is not to be pruned by its run.
  const report = `report-${evaluationId(input)}`;
  return referFor(store, checkpoints, report, async () => {
    const output = await evaluateIn(store, input, context);
    await dropParts(store, evaluationId(input));
    return output;
  });
}

async function evaluateIn(
  store: ObjectStore,
  { spec, codeVersion, threads }: Omit<EvaluationCalls['evaluate']['input'], 'store'>,
  { signal, progress }: { signal: AbortSignal; progress(event: EvaluationProgress): void },
): Promise<EvaluationCalls['evaluate']['output']> {
  const { manifest } = await resolveDataset(store, spec.dataset);
  const space = labelSpaceOf(manifest, spec.task);
  const checkpoints = await loadEntryCheckpoints(store, spec, space);
  const leakage = await trainedLeakage(store, spec, checkpoints, signal);
  const { dimensions, split, modalities } = spec;
  const bankHash = spec.trainDataset ?? spec.dataset;
  const bank = spec.trainDataset ? (await resolveDataset(store, spec.trainDataset)).manifest : manifest;
  const train = await loadLabelled(store, bank, space, { split: 'train', dimensions, signal });
  const test = await loadLabelled(store, manifest, space, {
    split,
    dimensions,
    ...(modalities ? { modalities } : {}),
    signal,
  });
  if (bank !== manifest) checkTrainDataset(bank, space, train.records, test.records);
  const repetitions = repetitionsOf(
    spec,
    space,
    train.labels,
    train.records.map(({ modality }) => modality),
  );
  const needed = neededFeatures(spec.entries, repetitions, checkpoints);
  const mapped = [...checkpoints].filter(([, { record }]) => !learnsLabels(record));
  const fits = repetitions.flat().length + mapped.length + spec.compare.length;
  const stages = new StageProgress({ images: countImages(needed, test), fits }, progress);

  await useBackend(threads ? { threads } : {});
  const features = new Map<string, CheckpointFeatures>();
  for (const [checkpoint, loaded] of checkpoints) {
    stages.begin(`${labelOf(spec, checkpoint)}: embedding`);
    const onBatch = (images: number) => stages.images(images);
    const of = { task: space, train, test };
    const needs = needed.get(checkpoint)!;
    const part = { evaluation: evaluationId({ spec, codeVersion }), checkpoint };
    const kept = await keptFeatures(store, part, needs, () =>
      computeFeatures(loaded, needs, of, { signal, onBatch }),
    );
    if (kept.found) stages.images(countImages(new Map([[checkpoint, needs]]), test));
    features.set(checkpoint, kept.features);
    if (needs.train.length > 0 && isServedLike(loaded.record, bankHash))
      await putEmbeddingMoments(store, checkpoint, momentsOf(kept.features.trainEmbeddings(needs.train)));
  }
  const fit = async <Result>(stage: string, compute: () => Result | Promise<Result>): Promise<Result> => {
    stages.begin(stage);
    await setImmediate();
    signal.throwIfAborted();
    const result = await compute();
    stages.fitted();
    return result;
  };

  const units = subjectUnits(test.records.map(({ subject }) => subject));
  const rows: ScoreRow[] = [];
  const scored: SeededScores[][] = [];
  for (const [index, entry] of spec.entries.entries()) {
    const seeded: SeededScores[] = [];
    for (const repetition of repetitions[index]!) {
      const { seed, checkpoint } = repetition;
      const stage = `${entry.label}: ${PROTOCOL_STAGES[entry.protocol]}, seed ${seed}`;
      const scores = await fit(stage, () =>
        score(entry, repetition, features.get(checkpoint)!, train.labels, space.classes.length),
      );
      seeded.push({ seed, scores: rounded(scores) });
    }
    const all = seeded.map(({ scores }) => scores);
    const used = repetitions[index]!.map(({ checkpoint }) => features.get(checkpoint)!);
    const sharedCodes = [...new Set(used.flatMap((of) => of.sharedCodes))];
    const resampled = [...new Set(used.flatMap((of) => of.resampled))];
    rows.push({
      ...scoreRow(entry, all, test.labels, space),
      ...(sharedCodes.length > 0 ? { sharedCodes } : {}),
      ...(resampled.length > 0 ? { resampled } : {}),
      ...(spec.intervals ? { intervals: rowIntervals(all, test.labels, units, spec.intervals) } : {}),
      scores: await putScores(store, seeded, test),
    });
    scored.push(seeded);
  }
  const tests: PairedTest[] = [];
  for (const [first, second] of spec.compare) {
    const stage = `${spec.entries[first]!.label} against ${spec.entries[second]!.label}`;
    const bootstrap = spec.intervals ?? BootstrapSpec.parse({});
    const found = await fit(stage, () =>
      compareRows(scored[first]!, scored[second]!, test.labels, units, bootstrap),
    );
    tests.push(...found.map((test) => ({ first, second, ...test })));
  }
  const embeddingMaps: EmbeddingMap[] = [];
  for (const [checkpoint] of mapped) {
    const label = labelOf(spec, checkpoint);
    const { testEmbeddings } = features.get(checkpoint)!;
    embeddingMaps.push(
      await fit(`${label}: embedding map`, () =>
        embeddingMapOf(label, checkpoint, testEmbeddings, test, signal)),
    );
  }

  const report: ScoreReport = {
    kind: 'medformer.score-report.v1',
    spec,
    datasetName: manifest.name,
    synthetic: manifest.source.synthetic,
    taskKind: space.kind,
    classes: space.classes,
    testImages: test.records.length,
    testSubjects: new Set(test.records.map(({ subject }) => subject)).size,
    rows,
    tests,
    embeddingMaps,
    ...(leakage ? { leakage } : {}),
    codeVersion,
  };
  const stored = { hash: contentAddress(report), report };
  // Before the report is found: who finds it finds its files.
  await putReportFiles(store, stored);
  await putReport(store, stored);
  return { report: stored.hash };
}

/** Probabilities of the scored images, `[images, classes]`. */
function score(
  { protocol }: Entry,
  { labelled }: Repetition,
  features: CheckpointFeatures,
  trainLabels: LabelledImages['labels'],
  classes: number,
): Matrix {
  if (protocol === 'head') return features.testScores;
  const train = features.trainEmbeddings(labelled);
  const labels = takeLabels(trainLabels, labelled);
  const input = { train, labels, test: features.testEmbeddings, classes };
  return protocol === 'knn' ? knnScores(input) : probeScores(input);
}

function neededFeatures(
  entries: readonly Entry[],
  repetitions: readonly Repetition[][],
  checkpoints: ReadonlyMap<string, LoadedCheckpoint>,
): Map<string, NeededFeatures> {
  const uses = entries.flatMap(({ protocol }, index) =>
    repetitions[index]!.map((repetition) => ({ protocol, ...repetition })),
  );
  return new Map(
    [...checkpoints].map(([checkpoint, { record }]) => {
      const own = uses.filter((use) => use.checkpoint === checkpoint);
      return [
        checkpoint,
        {
          train: [...new Set(own.flatMap(({ labelled }) => labelled))].sort((x, y) => x - y),
          testEmbeddings: own.some(({ protocol }) => protocol !== 'head') || !learnsLabels(record),
          testScores: own.some(({ protocol }) => protocol === 'head'),
        },
      ];
    }),
  );
}

function countImages(needed: ReadonlyMap<string, NeededFeatures>, test: LabelledImages): number {
  return [...needed.values()].reduce(
    (sum, { train, testEmbeddings, testScores }) =>
      sum + train.length + (Number(testEmbeddings) + Number(testScores)) * test.records.length,
    0,
  );
}

/**
 * Whether embeddings of this data set's training images are what the encoder's are compared with: those that training saw,
 * and of a method whose features are the embeddings that the encoder gives.
 */
function isServedLike({ spec: { dataset, datasets = [], method } }: CheckpointRecord, hash: string): boolean {
  return [dataset, ...datasets].includes(hash) && methodOf(method).embed === undefined;
}

/** From labels alone: what is asked of it is how its own heads score, not where its embeddings lie. */
function learnsLabels({ spec }: CheckpointRecord): boolean {
  return spec.method.name === 'supervised' || spec.method.name === 'multi-task';
}

/** The first row name that a checkpoint goes by. */
function labelOf({ entries }: EvaluationSpec, checkpoint: string): string {
  return entries.find(({ checkpoints }) => checkpoints.includes(checkpoint))!.label;
}
