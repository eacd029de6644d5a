import type { ModelConfig } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { attention, layerNorm, type WatchAttention } from './layers.js';
import type { Parameters } from './parameters.js';

/** The layer by which a query reads the body's latents. */
export const OUTPUT_ATTENTION = 'output/cross-attention';

/**
 * The body's latents to one vector: a trained query (shared, or a task's own) reads them by cross-attention and is
 * added to their mean, [B, latents, D] -> [B, D]. With the shared query this is the embedding.
 */
export function outputAdaptformer(
  parameters: Parameters,
  config: ModelConfig,
  latents: tf.Tensor,
  task?: string,
  watch?: WatchAttention,
): tf.Tensor {
  const [batch, , width] = latents.shape as [number, number, number];
  const shared = parameters.get('output/shared-query', [width], { normal: 0.5 });
  const query = task
    ? tf.add(shared, parameters.get(`output/task-queries/${task}`, [width], 'zeros'))
    : shared;
  const queries = tf.reshape(query, [1, 1, width]); // the same for all images
  const { read, weights } = attention(parameters, OUTPUT_ATTENTION, queries, latents, config.heads);
  watch?.(OUTPUT_ATTENTION, weights);
  const pooled = tf.add(tf.mean(latents, 1), tf.reshape(read, [batch, width]));
  return layerNorm(parameters, 'output/norm', pooled);
}
