import { blobKey, getRecord, type ObjectStore, putBlob, putRecord } from '@medformer/object-store';
import {
  CheckpointRecord,
  contentAddress,
  type ExpectedLoss,
  type HistoryEntry,
  type KeepSpec,
  keptSteps,
  type RunSpec,
  type Runtime,
  runId,
  type StoredTensor,
  sha256,
  type TaskHead,
} from '@medformer/schema';
import { forgetLoose, noteLoose, removeLoose } from './loose-blobs.js';
import { isReferred } from './references.js';
import { deleteCheckpointPointer, listCheckpoints, putCheckpointPointer } from './run-store.js';
import { encodeTensors, getTensors } from './tensor-blobs.js';

/** What a run hands over to be kept. */
export interface CheckpointContent {
  step: number;
  weights: ReadonlyMap<string, StoredTensor>;
  optimiser: ReadonlyMap<string, StoredTensor>;
  /** Of the tasks in `codes`. */
  heads?: TaskHead[];
  untrained?: string[];
  history: HistoryEntry[];
  expectedLoss?: ExpectedLoss;
  runtime?: Runtime;
}

export interface LoadedCheckpoint {
  record: CheckpointRecord;
  weights: Map<string, StoredTensor>;
}

/** Long enough for any write of a checkpoint to end: what is noted longer was left by a crash. */
const LOOSE_LIFETIME_MS = 60 * 60 * 1000;

/**
 * Writes a checkpoint: weights and optimiser first, then the record that names them, then the run's pointer. Killed in
 * between, the run still has its checkpoint before, and what was written is noted to be removed.
 * @returns the record's content address; the same state gives the same address
 */
export async function writeCheckpoint(
  store: ObjectStore,
  { keep: _, ...spec }: RunSpec,
  codes: CheckpointRecord['codes'],
  input: CheckpointRecord['input'],
  { step, weights, optimiser, heads, untrained, history, expectedLoss, runtime }: CheckpointContent,
): Promise<string> {
  const run = runId(spec);
  const metadata = { format: 'medformer', run, step: String(step) };
  const names = [...weights.keys()].sort();
  const part = (name: string) => names.filter((other) => other.startsWith(`${name}/`));
  const files = { weights: encodeTensors(weights, metadata), optimiser: encodeTensors(optimiser, metadata) };
  const record: CheckpointRecord = {
    kind: 'medformer.checkpoint.v1',
    run,
    spec,
    step,
    model: spec.model,
    weights: files.weights.map(described),
    optimiser: files.optimiser.map(described),
    parts: { input: part('input'), body: part('body'), output: part('output'), method: part('method') },
    codes,
    ...(heads ? { heads } : {}),
    ...(untrained ? { untrained } : {}),
    input,
    dataset: spec.dataset,
    codeVersion: spec.codeVersion,
    ...(runtime ? { runtime } : {}),
    ...(expectedLoss ? { expectedLoss } : {}),
    history,
  };
  const checkpoint = contentAddress(record);
  await noteLoose(store, run, checkpoint, blobsOf(checkpoint, record));
  for (const bytes of [...files.weights, ...files.optimiser]) await putBlob(store, bytes);
  await putRecord(store, record);
  await putCheckpointPointer(store, run, { step, checkpoint });
  await forgetLoose(store, run, checkpoint);
  return checkpoint;
}

/** What a checkpoint says of itself, without its tensors. @throws MedformerError as `loadCheckpoint` */
export async function getCheckpointRecord(store: ObjectStore, checkpoint: string): Promise<CheckpointRecord> {
  return getRecord(store, CheckpointRecord, checkpoint, 'checkpoint');
}

/** @throws MedformerError NOT_FOUND, DATA_LOSS when bytes do not give their hash, INVALID_ARGUMENT for another record. */
export async function loadCheckpoint(store: ObjectStore, checkpoint: string): Promise<LoadedCheckpoint> {
  const record = await getCheckpointRecord(store, checkpoint);
  return { record, weights: await getTensors(store, record.weights, `checkpoint ${checkpoint} weights`) };
}

/** The run's newest checkpoint with everything a resume needs, or undefined for a run without one. */
export async function loadNewestCheckpoint(
  store: ObjectStore,
  run: string,
): Promise<(LoadedCheckpoint & { checkpoint: string; optimiser: Map<string, StoredTensor> }) | undefined> {
  const newest = (await listCheckpoints(store, run)).at(-1);
  if (!newest) return undefined;
  const { checkpoint } = newest;
  const { record, weights } = await loadCheckpoint(store, checkpoint);
  const optimiser = await getTensors(store, record.optimiser, `checkpoint ${checkpoint} optimiser`);
  return { checkpoint, record, weights, optimiser };
}

/**
 * Removes a run's checkpoints that nothing asks for: neither `keep` nor a reference. A checkpoint's pointer goes first,
 * then its record, then its tensors, so that none points at nothing. Also removes what crashes left of the run.
 * @param history of the run's newest checkpoint
 */
export async function pruneCheckpoints(
  store: ObjectStore,
  run: string,
  keep: KeepSpec,
  history: readonly HistoryEntry[],
  { looseLifetimeMs = LOOSE_LIFETIME_MS } = {},
): Promise<void> {
  const pointers = await listCheckpoints(store, run);
  const steps = pointers.map(({ step }) => step);
  const kept = keptSteps(steps, history, keep);
  for (const { step, checkpoint } of pointers) {
    if (kept.has(step) || (await isReferred(store, checkpoint))) continue;
    const blobs = blobsOf(checkpoint, await getCheckpointRecord(store, checkpoint));
    await noteLoose(store, run, checkpoint, blobs);
    await deleteCheckpointPointer(store, run, step);
    for (const blob of blobs) await store.delete(blobKey(blob));
    await forgetLoose(store, run, checkpoint);
  }
  await removeLoose(store, run, looseLifetimeMs, async () => {
    const used = new Set<string>();
    for (const { checkpoint } of await listCheckpoints(store, run))
      for (const blob of blobsOf(checkpoint, await getCheckpointRecord(store, checkpoint))) used.add(blob);
    return used;
  });
}

/** The record first: while it is there, so is what it names. */
function blobsOf(checkpoint: string, { weights, optimiser }: CheckpointRecord): string[] {
  return [checkpoint, ...[...weights, ...optimiser].map((blob) => blob.sha256)];
}

function described(bytes: Uint8Array): CheckpointRecord['weights'][number] {
  return { sha256: sha256(bytes), bytes: bytes.byteLength };
}
