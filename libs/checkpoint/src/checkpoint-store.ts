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
import type { RunClaim } from './run-claim.js';
import {
  type CheckpointPointer,
  deleteCheckpointPointer,
  listCheckpoints,
  putCheckpointPointer,
  sortedPointers,
} from './run-store.js';
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
 * @param claim under which the run is trained; without one, nobody else may write the run
 * @returns the record's content address; the same state gives the same address
 * @throws ClaimLost when the run is another process's by now: then the checkpoint does not count
 */
export async function writeCheckpoint(
  store: ObjectStore,
  { keep: _, ...spec }: RunSpec,
  codes: CheckpointRecord['codes'],
  input: CheckpointRecord['input'],
  { step, weights, optimiser, heads, untrained, history, expectedLoss, runtime }: CheckpointContent,
  claim?: RunClaim,
): Promise<string> {
  await claim?.check();
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
  await claim?.check();
  await putCheckpointPointer(store, run, { step, checkpoint, epoch: claim?.epoch ?? 0 });
  // Whoever claimed the run before this was written may have missed it.
  await claim?.check();
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
  const { counting, stale } = await sortedPointers(store, run);
  const steps = counting.map(({ step }) => step);
  const kept = keptSteps(steps, history, keep);
  const pruned: CheckpointPointer[] = [];
  for (const pointer of counting)
    if (!kept.has(pointer.step) && !(await isReferred(store, pointer.checkpoint))) pruned.push(pointer);
  const stay = counting.filter((pointer) => !pruned.includes(pointer));
  // Two processes that wrote the same step wrote the same tensors, as a rule.
  const shared = stale.length > 0 ? await usedBy(store, stay) : new Set<string>();
  for (const pointer of [...stale, ...pruned]) {
    const { checkpoint } = pointer;
    const referred = shared.has(checkpoint) || (await isReferred(store, checkpoint));
    const there = !referred && (await store.head(blobKey(checkpoint))) !== undefined;
    const record = there ? await getCheckpointRecord(store, checkpoint) : undefined;
    const blobs = record ? blobsOf(checkpoint, record).filter((blob) => !shared.has(blob)) : [];
    if (record) await noteLoose(store, run, checkpoint, blobs);
    await deleteCheckpointPointer(store, run, pointer);
    for (const blob of blobs) await store.delete(blobKey(blob));
    if (record) await forgetLoose(store, run, checkpoint);
  }
  await removeLoose(store, run, looseLifetimeMs, async () =>
    usedBy(store, await listCheckpoints(store, run)),
  );
}

async function usedBy(store: ObjectStore, pointers: readonly CheckpointPointer[]): Promise<Set<string>> {
  const used = new Set<string>();
  for (const { checkpoint } of pointers)
    for (const blob of blobsOf(checkpoint, await getCheckpointRecord(store, checkpoint))) used.add(blob);
  return used;
}

/** The record first: while it is there, so is what it names. */
function blobsOf(checkpoint: string, { weights, optimiser }: CheckpointRecord): string[] {
  return [checkpoint, ...[...weights, ...optimiser].map((blob) => blob.sha256)];
}

function described(bytes: Uint8Array): CheckpointRecord['weights'][number] {
  return { sha256: sha256(bytes), bytes: bytes.byteLength };
}
