import {
  attention,
  dense,
  fourierPositionCodes,
  latentPlaces,
  layerNorm,
  type Medformer,
  mlp,
} from '@medformer/medformer';
import { tf } from '@medformer/tensorflow';
import { zeroDense } from './zero-dense.js';

/**
 * Patches from the body's latents: latents [B, latents, D] and their embedding [B, D] -> [B, N, pixels], N patches of
 * the grid.
 *
 * Every patch asks with the code of its place and the image's embedding (so that the output Adaptformer is trained, and
 * holds what is common to the patches), and reads the latents by cross-attention, near places first, in pre-norm
 * blocks (Jaegle et al. 2022, section 3.2). The last layer starts at 0: nothing is predicted before anything is learnt.
 * @param at first part of the parameters' names
 */
export function patchDecoder(
  model: Medformer,
  at: string,
  { latents, h }: { latents: tf.Tensor; h: tf.Tensor },
  grid: readonly number[],
  pixels: number,
  { depth, width }: { depth: number; width: number },
): tf.Tensor {
  const { parameters, config } = model;
  const axes = grid.length;
  const batch = latents.shape[0]!;
  const { values, features } = fourierPositionCodes([...grid], config.frequencies);
  const codes = tf.tensor2d(values, [values.length / features, features]);
  const places = dense(parameters, `${at}/position-codes-${axes}d`, codes, width); // [N, W]
  const image = dense(parameters, `${at}/image`, h, width); // [B, W]
  const reach = latentPlaces(parameters, config.latents, config.heads, [...grid], `${at}/focus`);
  const near = tf.transpose(reach, [0, 2, 1]); // [H, N, latents]
  let x = tf.add(places, tf.reshape(image, [batch, 1, width])); // [B, N, W]
  for (let block = 0; block < depth; block += 1) {
    const name = `${at}/${String(block).padStart(2, '0')}`;
    const asked = layerNorm(parameters, `${name}/attention-norm`, x);
    x = tf.add(x, attention(parameters, `${name}/attention`, asked, latents, config.heads, near).read);
    x = tf.add(x, mlp(parameters, `${name}/mlp`, layerNorm(parameters, `${name}/mlp-norm`, x), 2 * width));
  }
  return zeroDense(
    parameters,
    `${at}/pixels-${axes}d-${pixels}`,
    layerNorm(parameters, `${at}/norm`, x),
    pixels,
  );
}
