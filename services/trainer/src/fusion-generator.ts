import { Generator } from '@medformer/brainfuse';
import { loadGenerator, refer } from '@medformer/checkpoint';
import type { ObjectStore } from '@medformer/object-store';
import { type RunSpec, runId } from '@medformer/schema';

/**
 * What repairs the fusions of a run whose spec names a generator; the run refers to it, so that it stays. Needs a backend.
 * @throws MedformerError as `loadGenerator`
 */
export async function fusionGenerator(store: ObjectStore, spec: RunSpec): Promise<Generator | undefined> {
  const address = spec.fusion?.spec.generator;
  if (address === undefined) return undefined;
  await refer(store, address, `run-${runId(spec)}`);
  const { record, weights } = await loadGenerator(store, address);
  return Generator.of(record.spec, record.channels, weights);
}
