import { Parameters } from '@medformer/medformer';
import type { GeneratorSpec, StoredTensor } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { repaired } from './repaired.js';

/**
 * The parameters of the generator: stored ones, else as the seed makes them.
 *
 * @throws MedformerError DATA_LOSS naming stored tensors that are missing, too many or of another shape
 */
export function newParameters(
  spec: GeneratorSpec,
  channels: number,
  stored?: ReadonlyMap<string, StoredTensor>,
): Parameters {
  const parameters = new Parameters({ seed: spec.seed, ...(stored ? { stored } : {}) });
  const edges = Array<number>(spec.axes).fill(2 ** spec.network.levels);
  try {
    tf.tidy(() => {
      repaired(parameters, tf.zeros([1, ...edges, channels + 2]), spec.network);
    });
    parameters.seal();
    if (stored) parameters.requireStored();
  } catch (error) {
    parameters.dispose();
    throw error;
  }
  return parameters;
}
