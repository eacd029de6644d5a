import type { ModelConfig } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { latentCodes } from './latent-codes.js';
import { latentPlaces } from './latent-places.js';
import { attention, dense, layerNorm, mlp, normalise, type WatchAttention } from './layers.js';
import type { Parameters } from './parameters.js';
import { patchEmbed, patchGrid } from './patch-embed.js';
import { fourierPositionCodes } from './position-codes.js';

/** A batch of equally shaped images with the rows of their codes. */
export interface ModelInput {
  /** Standardised pixels, float32 [B, H, W, C] or [B, Z, H, W, C]. */
  x: tf.Tensor;
  /** One-hot rows [B, 1 + modalities] and [B, 1 + body parts]; column 0 is the shared code. */
  modality: tf.Tensor;
  bodyPart: tf.Tensor;
}

/** The layer by which the latents read the patch tokens. */
export const INPUT_ATTENTION = 'input/cross-attention';

/** Subtracted from the logits of hidden tokens: exp(-this) is 0 in float32. */
const HIDDEN = 1e9;

/**
 * Images of any size, 2D or 3D, to a fixed number of latents: [B, ...] -> [B, latents, D].
 *
 * Patch tokens carry Fourier position codes and the codes of their modality and body part. Trained latents read
 * them by cross-attention (Jaegle et al. 2021), so the body's cost does not grow with the image.
 * @param visible [B, N], 0 for patch tokens that no latent may read and 1 for the others, one of them at least;
 *   absent: all are read
 */
export function inputAdaptformer(
  parameters: Parameters,
  config: ModelConfig,
  input: ModelInput,
  visible?: tf.Tensor,
  watch?: WatchAttention,
): tf.Tensor {
  const { width, latents: latentCount, heads } = config;
  const axes = input.x.shape.length - 2;
  const batch = input.x.shape[0]!;
  const patch = axes === 3 ? config.patch3d : config.patch2d;
  const grid = patchGrid(input.x.shape.slice(1, -1), patch);
  const contents = patchEmbed(parameters, input.x, patch, width);
  const tokens = normalise(parameters, 'input/token-norm', coded(parameters, config, contents, grid, input)); // [B, N, D]

  const trained = parameters.get('input/latents', [latentCount, width], { normal: 0.02 });
  const latents = tf.reshape(trained, [1, latentCount, width]); // the same for all images
  const places = latentPlaces(parameters, latentCount, heads, grid); // [H, latents, N]
  const hidden = visible && tf.mul(tf.sub(tf.reshape(visible, [batch, 1, 1, -1]), 1), HIDDEN);
  const { read, weights } = attention(
    parameters,
    INPUT_ATTENTION,
    normalise(parameters, 'input/latent-norm', latents),
    tokens,
    heads,
    hidden ? tf.add(hidden, places) : places,
  );
  watch?.(INPUT_ATTENTION, weights);
  const reading = tf.add(latents, read);
  const mlpWidth = Math.round(width * config.mlpRatio);
  return tf.add(
    reading,
    mlp(parameters, 'input/mlp', normalise(parameters, 'input/mlp-norm', reading), mlpWidth),
  );
}

/** Patch contents [B, N, D] with the position codes of their grid and the codes of their images, normalised. */
export function codedTokens(
  parameters: Parameters,
  config: ModelConfig,
  contents: tf.Tensor,
  grid: number[],
  codes: Pick<ModelInput, 'modality' | 'bodyPart'>,
): tf.Tensor {
  return layerNorm(parameters, 'input/token-norm', coded(parameters, config, contents, grid, codes));
}

function coded(
  parameters: Parameters,
  { width, frequencies }: ModelConfig,
  contents: tf.Tensor,
  grid: number[],
  { modality, bodyPart }: Pick<ModelInput, 'modality' | 'bodyPart'>,
): tf.Tensor {
  const { values, features } = fourierPositionCodes(grid, frequencies);
  const positions = dense(
    parameters,
    `input/position-codes-${grid.length}d`,
    tf.tensor2d(values, [values.length / features, features]),
    width,
  ); // [N, D]
  const codes = tf.add(
    latentCodes(parameters, 'modality-codes', modality, width),
    latentCodes(parameters, 'body-part-codes', bodyPart, width),
  ); // [B, D]
  return tf.add(tf.add(contents, positions), tf.reshape(codes, [-1, 1, width]));
}
