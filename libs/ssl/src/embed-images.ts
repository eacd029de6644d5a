import { Medformer, type PixelGroup, RecordedForward, type RunOptions, runModel } from '@medformer/medformer';
import type { CheckpointRecord, StoredTensor } from '@medformer/schema';
import { features } from './methods/registry.js';

/**
 * What a checkpoint's probes read of these images: its method's features, one row per image in the order of the groups.
 * Needs a backend (`useBackend`).
 * @returns `[images][width]`, views of one array
 */
export async function embedImages(
  { record, weights }: { record: CheckpointRecord; weights: Map<string, StoredTensor> },
  groups: readonly PixelGroup[],
  options: RunOptions,
): Promise<Float32Array[]> {
  const model = Medformer.fromCheckpoint(record, weights);
  const embed = new RecordedForward(model.codes, (pixels, codes) =>
    features(record.spec.method, model, pixels, codes),
  );
  try {
    const { rows, columns, data } = await runModel(groups, embed, options);
    return Array.from({ length: rows }, (_, row) => data.subarray(row * columns, (row + 1) * columns));
  } finally {
    embed.dispose();
    model.dispose();
  }
}
