import { MedformerError } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { body } from './body.js';
import { INPUT_ATTENTION, inputAdaptformer } from './input-adaptformer.js';
import type { CodeNames, Medformer } from './model.js';
import { OUTPUT_ATTENTION, outputAdaptformer } from './output-adaptformer.js';
import { patchGrid } from './patch-embed.js';

/** An embedding with what it was read from. */
export interface Attended {
  /** [B, D]; what `Medformer.embed` gives. */
  embedding: tf.Tensor;
  /**
   * Attention weights by layer in the order they are computed, each row of keys a distribution:
   * `input/cross-attention` [B, H, latents, N] of the latents over the image's patches,
   * `body/00/attention` and so on [B, H, latents, latents],
   * `output/cross-attention` [B, H, 1, latents] of the query over the latents.
   */
  maps: Map<string, tf.Tensor>;
  /** Patches along each spatial axis, in the order of the N keys: their product is N. */
  grid: number[];
  /** Pixels along each spatial axis as the model took them, and along an edge of a patch. */
  spatial: number[];
  patch: number;
}

/**
 * Embeds pixels in [0, 1], [B, ...spatial, C], and keeps every attention layer's weights; with `task` its own query reads
 * the body. For inspection: op by op, beside the forward pass that serves. The tensors are the caller's.
 *
 * @throws MedformerError FAILED_PRECONDITION for a task without a head
 */
export function attend(model: Medformer, pixels: tf.Tensor, names: CodeNames = {}, task?: string): Attended {
  const { parameters, config } = model;
  if (task !== undefined) model.headOf(task);
  const maps = new Map<string, tf.Tensor>();
  const watch = (layer: string, weights: tf.Tensor) => maps.set(layer, tf.keep(weights));
  let spatial: number[] = [];
  const embedding = tf.tidy(() => {
    const input = model.prepare(pixels, names);
    spatial = input.x.shape.slice(1, -1);
    const read = inputAdaptformer(parameters, config, input, undefined, watch);
    return outputAdaptformer(parameters, config, body(parameters, config, read, watch), task, watch);
  });
  const patch = spatial.length === 3 ? config.patch3d : config.patch2d;
  return { embedding, maps, grid: patchGrid(spatial, patch), spatial, patch };
}

/**
 * How much of the embedding is read from each patch, by attention rollout (Abnar and Zuidema 2020, section 3): the
 * products of the layers' weights, heads averaged, each block of the body with half of what it passes on unread, the
 * output with half of the latents' mean, which it adds. [B, N]; every row sums to 1.
 *
 * It follows where attention points, not what is made of what it reads: a large value says that a patch was looked at.
 */
export function attentionRollout(maps: ReadonlyMap<string, tf.Tensor>): tf.Tensor {
  return tf.tidy(() => {
    const averaged = (layer: string): tf.Tensor => {
      const weights = maps.get(layer);
      if (!weights) throw new MedformerError('INVALID_ARGUMENT', `attention: no map of ${layer}`);
      return tf.mean(weights, 1); // [B, Nq, Nk]
    };
    const out = averaged(OUTPUT_ATTENTION); // [B, 1, latents]
    let rollout: tf.Tensor = tf.div(tf.add(out, 1 / out.shape[2]!), 2);
    const blocks = [...maps.keys()].filter((layer) => layer.startsWith('body/'));
    for (const layer of blocks.reverse()) {
      rollout = tf.div(tf.add(tf.matMul(rollout, averaged(layer)), rollout), 2);
    }
    const heat = tf.matMul(rollout, averaged(INPUT_ATTENTION)); // [B, 1, N]
    return tf.reshape(heat, [heat.shape[0]!, -1]);
  });
}
