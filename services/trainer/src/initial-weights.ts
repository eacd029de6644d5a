import { type LoadedCheckpoint, loadCheckpoint } from '@medformer/checkpoint';
import {
  type CodeKeys,
  headsOf,
  type InputStatistics,
  inflated,
  transferredWeights,
} from '@medformer/medformer';
import type { ObjectStore } from '@medformer/object-store';
import { badInput, type ModelConfig, type RunSpec, type TaskHead } from '@medformer/schema';
import type { InitialWeights } from '@medformer/ssl';

/** What a run needs of a model by itself. */
interface OwnNeeds extends Pick<CodeKeys, 'modalities' | 'bodyParts'> {
  heads: TaskHead[];
}

/** The codes and heads of a run's model, and what it starts from. */
export interface ModelStart {
  codes: CodeKeys;
  heads: TaskHead[];
  initial?: InitialWeights;
  input?: InputStatistics;
}

/**
 * What this run's model takes over from another run's checkpoint, and how that one standardised its pixels. Where the run
 * extends the checkpoint, its codes and heads are there beside the run's own. Ends for volumes that no step has touched are
 * made from those for images.
 * @throws MedformerError INVALID_ARGUMENT for a model of another shape, where the spec allows no tensor to differ
 */
export async function initialWeights(
  store: ObjectStore,
  { initial, model }: RunSpec,
  own: OwnNeeds,
): Promise<ModelStart> {
  if (!initial) return modelOf(own, []);
  const { checkpoint, allow, freeze, extend } = initial;
  const loaded = await loadCheckpoint(store, checkpoint);
  const { record, weights } = loaded;
  for (const field of Object.keys(model) as (keyof ModelConfig)[]) {
    // Every other field shows in the tensors, which are judged one by one.
    const mayDiffer = allow.length > 0 && field !== 'heads';
    if (model[field] === record.model[field] || mayDiffer) continue;
    throw badInput({
      file: 'spec',
      field: `model.${field}`,
      expected: `${record.model[field]}, as in the initial checkpoint`,
      found: String(model[field]),
    });
  }
  const wanted = extend ? extended(own, loaded) : modelOf(own, []);
  const kept = extend ? record.codes.tasks : [];
  const { untrained = [] } = record;
  const transfer = transferredWeights(record, inflated(weights, untrained), wanted.codes, kept);
  return { ...wanted, initial: { checkpoint, transfer, allow, freeze, untrained }, input: record.input };
}

function extended(own: OwnNeeds, { record, weights }: LoadedCheckpoint): ModelStart {
  const { modalities, bodyParts } = record.codes;
  const both = (before: readonly string[], now: readonly string[]) =>
    [...new Set([...before, ...now])].sort();
  const kept = headsOf(record, weights).filter(({ task }) => own.heads.every((head) => head.task !== task));
  return modelOf(
    { ...own, modalities: both(modalities, own.modalities), bodyParts: both(bodyParts, own.bodyParts) },
    kept,
  );
}

function modelOf({ modalities, bodyParts, heads: own }: OwnNeeds, kept: readonly TaskHead[]): ModelStart {
  const heads = [...own, ...kept];
  return { codes: { modalities, bodyParts, tasks: heads.map(({ task }) => task) }, heads };
}
