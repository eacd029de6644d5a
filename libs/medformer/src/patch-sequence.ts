import { badInput, type ModelConfig } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { bodyStates } from './body.js';
import { codedTokens, type ModelInput } from './input-adaptformer.js';
import type { Parameters } from './parameters.js';
import { patchEmbed, patchGrid } from './patch-embed.js';

/** Subtracted from the logits of later tokens: exp(-this) is 0 in float32. */
const LATER = 1e9;

/** How an image is read as a sequence. */
export interface SequenceReading {
  /** Edge of a token in pixels or voxels; at most the model's own patch. */
  patch: number;
  /** What stands where the first token has nothing before it, [D]. */
  start: tf.Tensor;
  /** Numbers of blocks after which the states are wanted. */
  afterBlocks: readonly number[];
}

/**
 * Images as sequences of patches in raster order through the body: place n holds the content of patch n - 1 (the first
 * place: the start) with the position of patch n, and reads no later place, as in a GPT (Chen et al. 2020, section 2.1).
 * So nothing at place n depends on patch n or on one after it.
 *
 * Every patch runs through the model's own stem alone: the stem's convolutions overlap, and over the whole image each
 * token would see its neighbours' pixels. There are no latents: the cost of a block grows with the square of the tokens.
 * @returns per number in `afterBlocks` the states [B, N, D], as `bodyStates` has them
 */
export function causalStates(
  parameters: Parameters,
  config: ModelConfig,
  input: ModelInput,
  { patch, start, afterBlocks }: SequenceReading,
): tf.Tensor[] {
  const axes = input.x.shape.length - 2;
  const modelPatch = axes === 3 ? config.patch3d : config.patch2d;
  if (patch > modelPatch) {
    const expected = `at most ${modelPatch}, the model's ${axes}D patch`;
    throw badInput({ file: 'spec', field: 'method.patch', expected, found: `${patch}` });
  }
  const batch = input.x.shape[0]!;
  const { width } = config;
  const grid = patchGrid(input.x.shape.slice(1, -1), patch);
  const contents = tf.reshape(patchEmbed(parameters, cutPatches(input.x, patch), modelPatch, width), [
    batch,
    -1,
    width,
  ]);
  const tokens = contents.shape[1]!;
  const first = tf.add(tf.zeros([batch, 1, 1]), tf.reshape(start, [1, 1, width]));
  const before = tf.concat([first, tf.slice(contents, [0, 0, 0], [batch, tokens - 1, width])], 1);
  return bodyStates(
    parameters,
    config,
    codedTokens(parameters, config, before, grid, input),
    afterBlocks,
    causalBias(tokens),
  );
}

/**
 * Images cut into patches in raster order: [B, ...spatial, C] -> [B * N, patch, ..., patch, C]. Edges are filled with 0,
 * the middle of the standardised range.
 */
export function cutPatches(x: tf.Tensor, patch: number): tf.Tensor {
  const [batch, ...rest] = x.shape as [number, ...number[]];
  const channels = rest.pop()!;
  const grid = patchGrid(rest, patch);
  const missing = rest.map((size, axis) => grid[axis]! * patch - size);
  const full = missing.some((count) => count > 0)
    ? tf.pad(x, [[0, 0], ...missing.map((count): [number, number] => [0, count]), [0, 0]])
    : x;
  const split = tf.reshape(full, [batch, ...grid.flatMap((count) => [count, patch]), channels]);
  const axes = grid.length;
  const places = grid.map((_, axis) => 1 + 2 * axis);
  const within = grid.map((_, axis) => 2 + 2 * axis);
  return tf.reshape(tf.transpose(split, [0, ...places, ...within, 1 + 2 * axes]), [
    -1,
    ...Array<number>(axes).fill(patch),
    channels,
  ]);
}

/** [1, 1, N, N]: 0 up to the diagonal, -LATER beyond. */
function causalBias(tokens: number): tf.Tensor {
  const places = tf.range(0, tokens);
  const later = tf.greater(tf.reshape(places, [1, 1, 1, tokens]), tf.reshape(places, [1, 1, tokens, 1]));
  return tf.mul(tf.cast(later, 'float32'), -LATER);
}
