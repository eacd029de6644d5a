import { dense, gelu, type Parameters } from '@medformer/medformer';
import type { tf } from '@medformer/tensorflow';
import { zeroDense } from './zero-dense.js';

/**
 * Which permutation the tiles lie in: embeddings in the order of their places, side by side, [B, tiles * D] -> logits
 * [B, classes] (Noroozi and Favaro 2016, section 4.1, with one hidden layer). The last layer starts at 0, so the loss
 * starts at ln(classes) exactly.
 */
export function permutationHead(
  parameters: Parameters,
  at: string,
  tiles: tf.Tensor,
  hidden: number,
  classes: number,
): tf.Tensor {
  return zeroDense(
    parameters,
    `${at}/classes`,
    gelu(dense(parameters, `${at}/hidden`, tiles, hidden)),
    classes,
  );
}
