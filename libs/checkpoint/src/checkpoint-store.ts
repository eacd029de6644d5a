import { blobKey, getBlob, getRecord, type ObjectStore, putBlob, putRecord } from '@medformer/object-store';
import {
  CheckpointRecord,
  decodeSafetensors,
  encodeSafetensors,
  type HistoryEntry,
  type RunSpec,
  runId,
  type StoredTensor,
} from '@medformer/schema';
import { deleteCheckpointPointer, listCheckpoints, putCheckpointPointer } from './run-store.js';

/** What a run hands over to be kept. */
export interface CheckpointContent {
  step: number;
  weights: ReadonlyMap<string, StoredTensor>;
  optimiser: ReadonlyMap<string, StoredTensor>;
  history: HistoryEntry[];
}

export interface LoadedCheckpoint {
  record: CheckpointRecord;
  weights: Map<string, StoredTensor>;
}

/**
 * Writes a checkpoint: weights and optimiser first, then the record that names them, then the run's pointer. Killed in
 * between, the run still has its checkpoint before.
 * @returns the record's content address; the same state gives the same address
 */
export async function writeCheckpoint(
  store: ObjectStore,
  spec: RunSpec,
  codes: CheckpointRecord['codes'],
  input: CheckpointRecord['input'],
  { step, weights, optimiser, history }: CheckpointContent,
): Promise<string> {
  const run = runId(spec);
  const metadata = { format: 'medformer', run, step: String(step) };
  const names = [...weights.keys()].sort();
  const part = (name: string) => names.filter((other) => other.startsWith(`${name}/`));
  const record: CheckpointRecord = {
    kind: 'medformer.checkpoint.v1',
    run,
    spec,
    step,
    model: spec.model,
    weights: await putBlob(store, encodeSafetensors({ tensors: new Map(weights), metadata })),
    optimiser: await putBlob(store, encodeSafetensors({ tensors: new Map(optimiser), metadata })),
    parts: { input: part('input'), body: part('body'), output: part('output'), method: part('method') },
    codes,
    input,
    dataset: spec.dataset,
    codeVersion: spec.codeVersion,
    history,
  };
  const checkpoint = await putRecord(store, record);
  await putCheckpointPointer(store, run, { step, checkpoint });
  return checkpoint;
}

/** What a checkpoint says of itself, without its tensors. @throws MedformerError as `loadCheckpoint` */
export async function getCheckpointRecord(store: ObjectStore, checkpoint: string): Promise<CheckpointRecord> {
  return getRecord(store, CheckpointRecord, checkpoint, 'checkpoint');
}

/** @throws MedformerError NOT_FOUND, DATA_LOSS when bytes do not give their hash, INVALID_ARGUMENT for another record. */
export async function loadCheckpoint(store: ObjectStore, checkpoint: string): Promise<LoadedCheckpoint> {
  const record = await getCheckpointRecord(store, checkpoint);
  const bytes = await getBlob(store, record.weights.sha256);
  return { record, weights: decodeSafetensors(bytes, `checkpoint ${checkpoint} weights`).tensors };
}

/** The run's newest checkpoint with everything a resume needs, or undefined for a run without one. */
export async function loadNewestCheckpoint(
  store: ObjectStore,
  run: string,
): Promise<(LoadedCheckpoint & { checkpoint: string; optimiser: Map<string, StoredTensor> }) | undefined> {
  const newest = (await listCheckpoints(store, run)).at(-1);
  if (!newest) return undefined;
  const { record, weights } = await loadCheckpoint(store, newest.checkpoint);
  const bytes = await getBlob(store, record.optimiser.sha256);
  const { tensors } = decodeSafetensors(bytes, `checkpoint ${newest.checkpoint} optimiser`);
  return { checkpoint: newest.checkpoint, record, weights, optimiser: tensors };
}

/** Removes a run's checkpoints but the newest `keep`; their pointers go first, so that none points at nothing. */
export async function pruneCheckpoints(store: ObjectStore, run: string, keep: number): Promise<void> {
  const old = (await listCheckpoints(store, run)).slice(0, -keep);
  for (const { step, checkpoint } of old) {
    const record = await getRecord(store, CheckpointRecord, checkpoint, 'checkpoint');
    await deleteCheckpointPointer(store, run, step);
    for (const hash of [record.weights.sha256, record.optimiser.sha256, checkpoint])
      await store.delete(blobKey(hash));
  }
}
