import { tf } from '@medformer/tensorflow';
import type { Parameters } from './parameters.js';
import { patchCentres } from './position-codes.js';

/** Width of a latent's field of view at the start: attention falls to 1/e at this distance; the image spans [-1, 1]. */
const INITIAL_REACH = 0.5;

/**
 * Where each latent looks: an additive bias [H, latents, N] of -(focus_h d)^2 on the cross-attention logits, with d the
 * distance of a patch's centre from the latent's trained place (the quadratic encoding of Cordonnier et al. 2020,
 * section 3.2). Without it every latent starts by averaging the whole image, and contrastive training stays at its
 * plateau for hundreds of steps.
 *
 * Places are 3D and spread evenly at the start; a 2D image is the plane through the middle of the first axis.
 * @param focusAt name of the parameter focus [H]; a decoder that reads the latents at their places has its own
 */
export function latentPlaces(
  parameters: Parameters,
  latents: number,
  heads: number,
  grid: number[],
  focusAt = 'input/latent-focus',
): tf.Tensor {
  const axes = grid.length;
  const places = parameters.get('input/latent-places', [latents, 3], { values: evenPlaces(latents) });
  const focus = parameters.get(focusAt, [heads], {
    values: new Float32Array(heads).fill(1 / INITIAL_REACH),
  });
  const centres = tf.tensor2d(patchCentres(grid), [grid.reduce((product, edge) => product * edge, 1), axes]);
  const seen = axes === 3 ? places : tf.slice(places, [0, 1], [latents, 2]);
  const cross = tf.matMul(seen as tf.Tensor2D, centres, false, true); // [latents, N]
  const squared = tf.add(
    tf.sub(tf.sum(tf.square(seen), 1, true), tf.mul(cross, 2)),
    tf.reshape(tf.sum(tf.square(centres), 1), [1, -1]),
  );
  return tf.neg(tf.mul(tf.reshape(tf.square(focus), [heads, 1, 1]), tf.reshape(squared, [1, latents, -1])));
}

/** Points that fill [-1, 1]^3 evenly at any count: the R3 additive recurrence of Roberts (2018). */
function evenPlaces(count: number): Float32Array {
  const phi = 1.2207440846057596; // the root of x^4 = x + 1
  return Float32Array.from({ length: count * 3 }, (_, index) => {
    const point = Math.floor(index / 3) + 1;
    const share = (0.5 + point / phi ** ((index % 3) + 1)) % 1;
    return 2 * share - 1;
  });
}
