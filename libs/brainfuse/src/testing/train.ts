import { GeneratorSpec } from '@medformer/schema';
import type { FusionSource } from '../fusion-source.js';
import { type GeneratorRun, type GeneratorState, trainGenerator } from '../generator/train-generator.js';

/** Trains in an instant, to nothing much. */
export const TINY = GeneratorSpec.parse({
  batchSize: 4,
  network: { width: 4, levels: 1 },
  fusion: { sources: [2, 4] },
  steps: 6,
  checkpointEvery: 2,
  seed: 3,
});

export function train(
  spec: GeneratorSpec,
  scans: readonly FusionSource[],
  more: Partial<GeneratorRun> = {},
): Promise<GeneratorState> {
  return trainGenerator({
    spec,
    scans,
    signal: new AbortController().signal,
    onStep: () => {},
    onCheckpoint: async () => {},
    ...more,
  });
}
