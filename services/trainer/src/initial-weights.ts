import { loadCheckpoint } from '@medformer/checkpoint';
import { type CodeKeys, type InputStatistics, transferredWeights } from '@medformer/medformer';
import type { ObjectStore } from '@medformer/object-store';
import { badInput, type ModelConfig, type RunSpec } from '@medformer/schema';
import type { InitialWeights } from '@medformer/ssl';

/**
 * What this run's model takes over from another run's checkpoint, and how that one standardised its pixels.
 * @throws MedformerError INVALID_ARGUMENT for a model of another shape, where the spec allows no tensor to differ
 */
export async function initialWeights(
  store: ObjectStore,
  { initial, model }: RunSpec,
  codes: CodeKeys,
): Promise<{ initial?: InitialWeights; input?: InputStatistics }> {
  if (!initial) return {};
  const { checkpoint, allow } = initial;
  const { record, weights } = await loadCheckpoint(store, checkpoint);
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
  const transfer = transferredWeights(record, weights, codes);
  return { initial: { checkpoint, transfer, allow }, input: record.input };
}
