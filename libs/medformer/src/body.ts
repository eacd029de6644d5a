import { badInput, type ModelConfig } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { applied, attention, mlp, normalise, type WatchAttention } from './layers.js';
import type { Parameters } from './parameters.js';

/** The main body: pre-norm transformer blocks (Xiong et al. 2020) over the latents, [B, latents, D] -> the same. */
export function body(
  parameters: Parameters,
  config: ModelConfig,
  latents: tf.Tensor,
  watch?: WatchAttention,
): tf.Tensor {
  return bodyStates(parameters, config, latents, [config.depth], undefined, watch)[0]!;
}

/**
 * What the body holds of any tokens [B, N, D] after each of these numbers of blocks, [B, N, D] each: normalised as the
 * next block reads it, after the last block by the body's own norm. Blocks behind the last number asked for do not run.
 * @param bias added to the attention's logits, to broadcast to [B, heads, N, N]: a mask
 * @throws MedformerError INVALID_ARGUMENT for a number of blocks that the body does not have
 */
export function bodyStates(
  parameters: Parameters,
  config: ModelConfig,
  tokens: tf.Tensor,
  afterBlocks: readonly number[],
  bias?: tf.Tensor,
  watch?: WatchAttention,
): tf.Tensor[] {
  const { depth, heads } = config;
  const beyond = afterBlocks.find((blocks) => !Number.isInteger(blocks) || blocks < 0 || blocks > depth);
  if (beyond !== undefined)
    throw badInput({ file: 'spec', field: 'layer', expected: `0 to ${depth}`, found: `${beyond}` });
  const hidden = Math.round(config.width * config.mlpRatio);
  const last = Math.max(...afterBlocks);
  const states = new Map<number, tf.Tensor>();
  let h = tokens;
  for (let block = 0; block <= last; block += 1) {
    const at = `body/${String(block).padStart(2, '0')}`;
    const normed = normalise(parameters, block === depth ? 'body/norm' : `${at}/attention-norm`, h);
    if (afterBlocks.includes(block)) states.set(block, applied(normed));
    if (block === last) break;
    const { read, weights } = attention(parameters, `${at}/attention`, normed, normed, heads, bias);
    watch?.(`${at}/attention`, weights);
    h = tf.add(h, read);
    h = tf.add(h, mlp(parameters, `${at}/mlp`, normalise(parameters, `${at}/mlp-norm`, h), hidden));
  }
  return afterBlocks.map((blocks) => states.get(blocks)!);
}
