import type { Matrix } from '@medformer/evaluators';
import { MAX_OBJECT_BYTES, type ObjectStore } from '@medformer/object-store';
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from '@medformer/schema';
import { type CheckpointFeatures, type NeededFeatures, rowsAt } from './checkpoint-features.js';

const PREFIX = 'evaluation-parts/';

/** What an evaluation has computed of one checkpoint: what else decides the features stands in `evaluation`. */
export interface FeaturePart {
  /** Content address of specification and code. */
  evaluation: string;
  checkpoint: string;
}

/**
 * The features of a checkpoint, kept until the evaluation ends: one that was stopped, with its service or by its caller,
 * goes on after the last whole checkpoint. What is larger than one object is computed again.
 */
export async function keptFeatures(
  store: ObjectStore,
  part: FeaturePart,
  { train }: NeededFeatures,
  compute: () => Promise<CheckpointFeatures>,
): Promise<{ features: CheckpointFeatures; found: boolean }> {
  const key = keyOf(part);
  if (await store.head(key)) return { features: decoded(await store.get(key), key, train), found: true };
  const features = await compute();
  const bytes = encoded(features, train);
  if (bytes.length <= MAX_OBJECT_BYTES) await store.put(key, bytes);
  return { features, found: false };
}

/** Removes what an evaluation kept of its checkpoints. */
export async function dropParts(store: ObjectStore, evaluation: string): Promise<void> {
  for await (const { key } of store.list(`${PREFIX}${evaluation}/`)) await store.delete(key);
}

function keyOf({ evaluation, checkpoint }: FeaturePart): string {
  return `${PREFIX}${evaluation}/${checkpoint}.safetensors`;
}

function encoded(features: CheckpointFeatures, train: readonly number[]): Buffer {
  const tensors = new Map<string, StoredTensor>([
    ['train', tensorOf(features.trainEmbeddings(train))],
    ['test', tensorOf(features.testEmbeddings)],
    ['scores', tensorOf(features.testScores)],
  ]);
  const { sharedCodes, resampled } = features;
  return encodeSafetensors({ tensors, metadata: { lines: JSON.stringify({ sharedCodes, resampled }) } });
}

function decoded(bytes: Buffer, key: string, train: readonly number[]): CheckpointFeatures {
  const { tensors, metadata } = decodeSafetensors(bytes, key);
  const [drawn, testEmbeddings, testScores] = ['train', 'test', 'scores'].map((name) =>
    matrixOf(tensors.get(name)!),
  ) as [Matrix, Matrix, Matrix];
  return {
    trainEmbeddings: rowsAt(drawn, train),
    testEmbeddings,
    testScores,
    ...(JSON.parse(metadata.lines!) as Pick<CheckpointFeatures, 'sharedCodes' | 'resampled'>),
  };
}

/** Features come out of float32 networks: nothing is lost. */
function tensorOf({ rows, columns, data }: Matrix): StoredTensor {
  return { dtype: 'F32', shape: [rows, columns], data: Float32Array.from(data) };
}

function matrixOf({ shape: [rows = 0, columns = 0], data }: StoredTensor): Matrix {
  return { rows, columns, data: data as Float32Array };
}
