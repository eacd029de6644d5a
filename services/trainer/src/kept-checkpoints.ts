import { isReferred, listCheckpoints } from '@medformer/checkpoint';
import type { KeptCheckpoint } from '@medformer/gen/trainer';
import type { ObjectStore } from '@medformer/object-store';
import { type HistoryEntry, KeepSpec, keptSteps, metricAt } from '@medformer/schema';

/** A run's checkpoints by step: what each is worth and why it stays. */
export async function keptCheckpoints(
  store: ObjectStore,
  run: string,
  history: readonly HistoryEntry[],
  keep: KeepSpec = KeepSpec.parse({}),
): Promise<KeptCheckpoint[]> {
  const pointers = await listCheckpoints(store, run);
  const steps = pointers.map(({ step }) => step);
  const kept = keptSteps(steps, history, keep);
  const described: KeptCheckpoint[] = [];
  for (const { step, checkpoint } of pointers) {
    const referred = await isReferred(store, checkpoint);
    described.push({
      step: BigInt(step),
      checkpoint,
      keptAs: [...(kept.get(step) ?? []), ...(referred ? ['referred'] : [])],
      loss: metricAt(history, 'loss', step),
      value: keep.best && metricAt(history, keep.best, step),
    });
  }
  return described;
}
