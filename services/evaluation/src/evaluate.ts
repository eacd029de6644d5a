import { setImmediate } from 'node:timers/promises';
import type { LoadedCheckpoint } from '@medformer/checkpoint';
import { resolveDataset } from '@medformer/dataset';
import {
  linearProbe,
  type Matrix,
  type Repetition,
  repetitionsOf,
  scoreRow,
  standardisedKnn,
} from '@medformer/evaluators';
import { openObjectStore } from '@medformer/object-store';
import type { EmbeddingMap, EvaluationSpec, ScoreReport, ScoreRow } from '@medformer/schema';
import { useBackend } from '@medformer/tensorflow';
import { type CheckpointFeatures, computeFeatures, type NeededFeatures } from './checkpoint-features.js';
import { embeddingMapOf } from './embedding-map.js';
import { labelSpaceOf, loadEntryCheckpoints } from './entries.js';
import type { EvaluationCalls, EvaluationProgress } from './evaluation-calls.js';
import { type LabelledImages, loadLabelled } from './labelled-images.js';
import { putReport } from './report-store.js';
import { StageProgress } from './stage-progress.js';

type Entry = EvaluationSpec['entries'][number];

const PROTOCOL_STAGES = { 'linear-probe': 'linear probe', knn: 'kNN', head: 'own head' } as const;

/**
 * Scores every entry of the specification on the test split and stores the report.
 *
 * Each checkpoint runs once over the test images and once over the training images that any seed draws; protocols and
 * seeds share the embeddings.
 * @throws MedformerError as the specification, the artefacts it names or the signal demand.
 */
export async function evaluate(
  { store: storeConfig, spec, codeVersion, threads }: EvaluationCalls['evaluate']['input'],
  { signal, progress }: { signal: AbortSignal; progress(event: EvaluationProgress): void },
): Promise<EvaluationCalls['evaluate']['output']> {
  const store = await openObjectStore(storeConfig);
  const { manifest } = await resolveDataset(store, spec.dataset);
  const space = labelSpaceOf(manifest, spec.task);
  const checkpoints = await loadEntryCheckpoints(store, spec, space);
  const { dimensions, task } = spec;
  const train = await loadLabelled(store, manifest, space, { split: 'train', dimensions, signal });
  const test = await loadLabelled(store, manifest, space, { split: 'test', dimensions, signal });
  const repetitions = repetitionsOf(spec, space, train.labels);
  const needed = neededFeatures(spec.entries, repetitions, checkpoints);
  const mapped = [...checkpoints].filter(([, { record }]) => record.spec.method.name !== 'supervised');
  const fits = repetitions.flat().length + mapped.length;
  const stages = new StageProgress({ images: countImages(needed, test), fits }, progress);

  await useBackend(threads ? { threads } : {});
  const features = new Map<string, CheckpointFeatures>();
  for (const [checkpoint, loaded] of checkpoints) {
    stages.begin(`${labelOf(spec, checkpoint)}: embedding`);
    const onBatch = (images: number) => stages.images(images);
    const of = { task, train, test };
    features.set(checkpoint, await computeFeatures(loaded, needed.get(checkpoint)!, of, { signal, onBatch }));
  }
  const fit = async <Result>(stage: string, compute: () => Result | Promise<Result>): Promise<Result> => {
    stages.begin(stage);
    await setImmediate();
    signal.throwIfAborted();
    const result = await compute();
    stages.fitted();
    return result;
  };

  const rows: ScoreRow[] = [];
  for (const [index, entry] of spec.entries.entries()) {
    const scores: Matrix[] = [];
    for (const repetition of repetitions[index]!) {
      const stage = `${entry.label}: ${PROTOCOL_STAGES[entry.protocol]}, seed ${repetition.seed}`;
      const of = features.get(repetition.checkpoint)!;
      scores.push(await fit(stage, () => score(entry, repetition, of, train.labels, space.classes.length)));
    }
    rows.push(scoreRow(entry, scores, test.labels, space));
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
    classes: space.classes,
    testImages: test.records.length,
    testSubjects: new Set(test.records.map(({ subject }) => subject)).size,
    rows,
    embeddingMaps,
    codeVersion,
  };
  return { report: (await putReport(store, report)).hash };
}

/** Class probabilities of the test images, `[test images, classes]`. */
function score(
  { protocol }: Entry,
  { labelled }: Repetition,
  features: CheckpointFeatures,
  trainLabels: Int32Array,
  classes: number,
): Matrix {
  if (protocol === 'head') return features.testScores;
  const train = features.trainEmbeddings(labelled);
  const labels = labelled.map((position) => trainLabels[position]!);
  return protocol === 'knn'
    ? standardisedKnn(train, labels, features.testEmbeddings, { classes })
    : linearProbe(train, labels, features.testEmbeddings, { classes }).scores;
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
          testEmbeddings:
            own.some(({ protocol }) => protocol !== 'head') || record.spec.method.name !== 'supervised',
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

/** The first row name that a checkpoint goes by. */
function labelOf({ entries }: EvaluationSpec, checkpoint: string): string {
  return entries.find(({ checkpoints }) => checkpoints.includes(checkpoint))!.label;
}
