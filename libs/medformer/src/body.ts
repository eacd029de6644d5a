import type { ModelConfig } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { attention, layerNorm, mlp } from './layers.js';
import type { Parameters } from './parameters.js';

/** The main body: pre-norm transformer blocks (Xiong et al. 2020) over the latents, [B, latents, D] -> the same. */
export function body(parameters: Parameters, config: ModelConfig, latents: tf.Tensor): tf.Tensor {
  const hidden = Math.round(config.width * config.mlpRatio);
  let h = latents;
  for (let block = 0; block < config.depth; block += 1) {
    const at = `body/${String(block).padStart(2, '0')}`;
    const normed = layerNorm(parameters, `${at}/attention-norm`, h);
    h = tf.add(h, attention(parameters, `${at}/attention`, normed, normed, config.heads).read);
    h = tf.add(h, mlp(parameters, `${at}/mlp`, layerNorm(parameters, `${at}/mlp-norm`, h), hidden));
  }
  return layerNorm(parameters, 'body/norm', h);
}
