import { type LoadedCheckpoint, loadCheckpoint } from '@medformer/checkpoint';
import { headsOf } from '@medformer/medformer';
import type { ObjectStore } from '@medformer/object-store';
import {
  badInput,
  type DatasetManifest,
  type EvaluationSpec,
  type ImageRecord,
  type LabelSpace,
  MedformerError,
  type TaskKind,
} from '@medformer/schema';

/**
 * The label space of the task to score.
 * @throws MedformerError INVALID_ARGUMENT naming the dataset's tasks.
 */
export function labelSpaceOf(manifest: DatasetManifest, task: string): LabelSpace {
  const space = manifest.labelSpaces.find((known) => known.task === task);
  if (!space) {
    const known = manifest.labelSpaces.map((other) => other.task).join(', ') || 'none';
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `task: dataset ${manifest.name} has no task ${task}; it has: ${known}`,
    );
  }
  return space;
}

/**
 * Whether images of another data set may train what is scored here.
 * @throws MedformerError INVALID_ARGUMENT for other classes, FAILED_PRECONDITION for subjects on both sides
 */
export function checkTrainDataset(
  bank: DatasetManifest,
  space: LabelSpace,
  train: readonly ImageRecord[],
  scored: readonly ImageRecord[],
): void {
  const { classes } = labelSpaceOf(bank, space.task);
  if (classes.join() !== space.classes.join()) {
    throw badInput({
      file: 'spec',
      field: 'trainDataset',
      expected: `the classes of the scored data set: ${space.classes.join(', ')}`,
      found: classes.join(', '),
    });
  }
  const trained = new Set(train.map(({ subject }) => subject));
  const both = new Set(scored.flatMap(({ subject }) => (trained.has(subject) ? [subject] : [])));
  if (both.size === 0) return;
  throw new MedformerError(
    'FAILED_PRECONDITION',
    `trainDataset ${bank.name}: ${both.size} of its training subjects are among the scored ones`,
  );
}

/**
 * Every checkpoint that the entries name, by address, after checking that each entry can be scored as it asks.
 * @throws MedformerError NOT_FOUND, INVALID_ARGUMENT or FAILED_PRECONDITION naming the entry and the checkpoint.
 */
export async function loadEntryCheckpoints(
  store: ObjectStore,
  { entries, seeds, task }: EvaluationSpec,
  space: LabelSpace,
): Promise<Map<string, LoadedCheckpoint>> {
  const loaded = new Map<string, LoadedCheckpoint>();
  for (const [index, { label, protocol, checkpoints }] of entries.entries()) {
    const entry = `entries.${index} (${label})`;
    if (checkpoints.length !== 1 && checkpoints.length !== seeds.length) {
      throw new MedformerError(
        'INVALID_ARGUMENT',
        `${entry}: checkpoints: expected 1 or one per seed (${seeds.length}), found ${checkpoints.length}`,
      );
    }
    for (const checkpoint of checkpoints) {
      const known = loaded.get(checkpoint) ?? (await loadNamed(store, checkpoint, entry));
      loaded.set(checkpoint, known);
      if (protocol === 'head') expectHead(known, checkpoint, task, space, entry);
    }
  }
  return loaded;
}

async function loadNamed(store: ObjectStore, checkpoint: string, entry: string): Promise<LoadedCheckpoint> {
  try {
    return await loadCheckpoint(store, checkpoint);
  } catch (thrown) {
    if (!(thrown instanceof MedformerError) || thrown.code !== 'NOT_FOUND') throw thrown;
    throw new MedformerError('NOT_FOUND', `${entry}: checkpoint ${checkpoint} is not in the store`, {
      cause: thrown,
    });
  }
}

function expectHead(
  { record, weights }: LoadedCheckpoint,
  checkpoint: string,
  task: string,
  space: LabelSpace,
  entry: string,
): void {
  const refuse = (expected: string, found: string) =>
    new MedformerError(
      'INVALID_ARGUMENT',
      `${entry}: protocol head: expected ${expected}, found checkpoint ${checkpoint} ${found}`,
    );
  if (record.codes.tasks.length === 0)
    throw refuse('a checkpoint trained on labels', `of ${record.spec.method.name}, which has no task head`);
  if (!record.codes.tasks.includes(task)) {
    throw refuse(`a head for task ${task}`, `with heads for: ${record.codes.tasks.join(', ') || 'none'}`);
  }
  const head = headsOf(record, weights).find((known) => known.task === task)!;
  const { classes } = head;
  if (classes !== space.classes.length) {
    throw refuse(`${space.classes.length} classes, as the dataset has`, `with ${classes}`);
  }
  const several = (kind: TaskKind | undefined) => kind === 'multi-label';
  if (head.kind && several(head.kind) !== several(space.kind))
    throw refuse(`a head of a ${space.kind} task`, `with one of a ${head.kind} task`);
}
