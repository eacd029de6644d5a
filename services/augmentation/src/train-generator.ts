import { trainGenerator as train } from '@medformer/brainfuse';
import { generatorRunId, loadNewestGenerator, writeGenerator } from '@medformer/checkpoint';
import { resolveDataset } from '@medformer/dataset';
import { openObjectStore } from '@medformer/object-store';
import { useBackend } from '@medformer/tensorflow';
import type { GeneratorCalls, GeneratorProgress } from './fusion-calls.js';
import { fusionSources } from './fusion-maker.js';

/** Trains a generator to its last step, from where the same training was left; a finished one is found. */
export async function trainGenerator(
  {
    store: storeConfig,
    dataset: address,
    spec,
    codeVersion,
    threads,
  }: GeneratorCalls['trainGenerator']['input'],
  { signal, onProgress }: { signal: AbortSignal; onProgress: (progress: GeneratorProgress) => void },
): Promise<GeneratorCalls['trainGenerator']['output']> {
  const store = await openObjectStore(storeConfig);
  const id = { spec, dataset: address, codeVersion };
  const newest = await loadNewestGenerator(store, generatorRunId(id));
  if (newest && newest.record.step === spec.steps) return { generator: newest.generator };
  await useBackend(threads ? { threads } : {});
  const dataset = await resolveDataset(store, address);
  let generator = newest?.generator;
  await train({
    spec,
    scans: await fusionSources(store, dataset, spec.fusion.split, signal),
    ...(newest
      ? {
          resume: {
            step: newest.record.step,
            weights: newest.weights,
            optimiser: newest.optimiser,
            history: newest.record.history,
          },
        }
      : {}),
    signal,
    onStep: ({ pairsMs: _, ...entry }) => onProgress({ ...entry, steps: spec.steps }),
    onCheckpoint: async (state) => {
      generator = await writeGenerator(store, id, state);
    },
  });
  return { generator: generator! };
}
