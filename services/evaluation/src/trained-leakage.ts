import type { LoadedCheckpoint } from '@medformer/checkpoint';
import { findLeakage, resolveDataset } from '@medformer/dataset';
import type { ObjectStore } from '@medformer/object-store';
import { type EvaluationSpec, MedformerError } from '@medformer/schema';
import { dataReportVersion } from '@medformer/telemetry';

/**
 * What stands in two splits of the scored data set and of those that its checkpoints were trained on, in a sentence: scores
 * on it are too high. Undefined where nothing does. A data set that is no longer in the store cannot be asked.
 */
export async function trainedLeakage(
  store: ObjectStore,
  { dataset, trainDataset }: EvaluationSpec,
  checkpoints: ReadonlyMap<string, LoadedCheckpoint>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const trained = [...checkpoints.values()].flatMap(({ record: { spec } }) => [
    spec.dataset,
    ...(spec.datasets ?? []),
  ]);
  const named = new Set([dataset, ...(trainDataset ? [trainDataset] : []), ...trained]);
  const there: string[] = [];
  for (const address of named) if (await isThere(store, address)) there.push(address);
  return findLeakage(store, there, { codeVersion: dataReportVersion(), signal });
}

async function isThere(store: ObjectStore, address: string): Promise<boolean> {
  try {
    await resolveDataset(store, address);
    return true;
  } catch (thrown) {
    if (thrown instanceof MedformerError && thrown.code === 'NOT_FOUND') return false;
    throw thrown;
  }
}
