import type { LoadedCheckpoint } from '@medformer/checkpoint';
import { codeNames, knownCodes, type Matrix, takeRows } from '@medformer/evaluators';
import {
  type CodeNames,
  codeRows,
  Medformer,
  probabilitiesOf,
  RecordedForward,
  type RunOptions,
  runModel,
} from '@medformer/medformer';
import type { CheckpointRecord, LabelSpace } from '@medformer/schema';
import { features } from '@medformer/ssl';
import { type LabelledImages, selectImages } from './labelled-images.js';

/** Which of a checkpoint's outputs the entries need. */
export interface NeededFeatures {
  /** Positions in the training split whose embeddings some seed draws, ascending. */
  train: number[];
  testEmbeddings: boolean;
  testScores: boolean;
}

/** What a checkpoint computes of a data set, each image once, whatever the number of protocols and seeds. */
export interface CheckpointFeatures {
  /** `[images, width]` of the given positions in the training split. */
  trainEmbeddings(positions: readonly number[]): Matrix;
  /** `[test images, width]` */
  testEmbeddings: Matrix;
  /** Probabilities of the model's own head, `[test images, classes]`; of multi-label tasks of each label by itself. */
  testScores: Matrix;
  /** Keys of test images that the checkpoint has no code for, such as `modality mri`. */
  sharedCodes: string[];
  /** Test images whose shape no training saw, with the one they are brought to, such as `96 x 96 to 28 x 28`. */
  resampled: string[];
}

export async function computeFeatures(
  { record, weights }: LoadedCheckpoint,
  needed: NeededFeatures,
  { task, train, test }: { task: LabelSpace; train: LabelledImages; test: LabelledImages },
  { signal, onBatch }: { signal: AbortSignal; onBatch(images: number): void },
): Promise<CheckpointFeatures> {
  const codes = knownCodes(record.spec, train.records, train.labels);
  const options: RunOptions = { namesOf: (records) => codeNames(codes, records), signal, onBatch };
  const model = Medformer.fromCheckpoint(record, weights);
  const embed = new RecordedForward(model.codes, (pixels, rows) =>
    features(record.spec.method, model, pixels, rows),
  );
  const classify = new RecordedForward(model.codes, (pixels, rows) =>
    probabilitiesOf(model.predict(pixels, task.task, rows), task),
  );
  try {
    const drawn = await runModel(selectImages(train, needed.train).groups, embed, options);
    const testEmbeddings = await runModel(needed.testEmbeddings ? test.groups : [], embed, options);
    const testScores = await runModel(needed.testScores ? test.groups : [], classify, options);
    return {
      trainEmbeddings: rowsAt(drawn, needed.train),
      testEmbeddings,
      testScores,
      sharedCodes: sharedCodes(record, codeNames(codes, test.records)),
      resampled: resampledShapes(model, test),
    };
  } finally {
    embed.dispose();
    classify.dispose();
    model.dispose();
  }
}

/** Of a matrix with a row for each of `drawn` positions: the rows of some of these. */
export function rowsAt(matrix: Matrix, drawn: readonly number[]): CheckpointFeatures['trainEmbeddings'] {
  const rowOf = new Map(drawn.map((position, row) => [position, row]));
  return (positions) =>
    takeRows(
      matrix,
      positions.map((position) => rowOf.get(position)!),
    );
}

function resampledShapes(model: Medformer, { groups }: LabelledImages): string[] {
  const lines = groups.flatMap(({ shape }) => {
    const spatial = shape.slice(0, -1);
    const nearest = model.nearestShape(spatial);
    return nearest ? [`${spatial.join(' x ')} to ${nearest.join(' x ')}`] : [];
  });
  return [...new Set(lines)];
}

function sharedCodes({ codes }: CheckpointRecord, { modality = [], bodyPart = [] }: CodeNames): string[] {
  const unknown = (keys: string[], names: string[], what: string) =>
    codeRows(keys, names).unknown.map((name) => `${what} ${name}`);
  return [
    ...unknown(codes.modalities, modality, 'modality'),
    ...unknown(codes.bodyParts, bodyPart, 'body part'),
  ].sort();
}
