import { biasAdd, halvingConvolution, tf } from '@medformer/tensorflow';
import { gelu } from './layers.js';
import type { Parameters } from './parameters.js';

const KERNEL = 3;

/**
 * Images to patch tokens: [B, H, W, C] or [B, Z, H, W, C] -> [B, N, D], with N = product of ceil(size / patch).
 *
 * A stem of overlapping stride-2 convolutions, one per halving of the patch, in place of one big non-overlapping
 * projection (Xiao et al. 2021, "Early convolutions help transformers see better"): with few images it learns from
 * far fewer steps. Any image size fits: edges are padded with 0, the middle of the standardised range.
 *
 * One set of weights serves every channel count: the first convolution reads the mean over channels (luma) and, of
 * colour images, the first and last channel's difference to it (chroma). A grey image costs one channel.
 */
export function patchEmbed(parameters: Parameters, x: tf.Tensor, patch: number, width: number): tf.Tensor {
  const axes = x.shape.length - 2;
  const at = `input/patch-embed-${axes}d`;
  const layers = Math.log2(patch);
  let h = firstConvolution(parameters, at, x, stemWidth(width, 0, layers));
  for (let layer = 1; layer < layers; layer += 1) {
    h = convolution(parameters, `${at}/${layer}`, gelu(h), stemWidth(width, layer, layers));
  }
  return tf.reshape(h, [h.shape[0]!, -1, width]);
}

/** Number of patches along each spatial axis. */
export function patchGrid(spatialShape: number[], patch: number): number[] {
  return spatialShape.map((size) => Math.ceil(size / patch));
}

/** Channels after a layer of the stem: they double up to the model's width. */
function stemWidth(width: number, layer: number, layers: number): number {
  return layer === layers - 1 ? width : Math.max(8, Math.round(width / 3 / 2 ** (layers - 2 - layer)));
}

function firstConvolution(parameters: Parameters, at: string, x: tf.Tensor, width: number): tf.Tensor {
  const channels = x.shape[x.shape.length - 1]!;
  if (channels === 1) return convolution(parameters, `${at}/luma`, x, width);
  const luma = tf.mean(x, -1, true);
  const chroma = tf.sub(tf.concat([channel(x, 0), channel(x, channels - 1)], -1), luma);
  return tf.add(
    convolution(parameters, `${at}/luma`, luma, width),
    convolution(parameters, `${at}/chroma`, chroma, width),
  );
}

/** Kernel 3, stride 2, padded: [B, ...spatial, C] -> [B, ...ceil(spatial / 2), width]. */
function convolution(parameters: Parameters, at: string, x: tf.Tensor, width: number): tf.Tensor {
  const axes = x.shape.length - 2;
  const from = x.shape[x.shape.length - 1]!;
  const weight = parameters.get(`${at}/weight`, [...Array<number>(axes).fill(KERNEL), from, width]);
  const bias = parameters.get(`${at}/bias`, [width], 'zeros');
  // Of one channel a convolution reads little and gains nothing.
  return biasAdd(halvingConvolution(x, weight, from > 1 ? parameters.precision : 'float32'), bias);
}

function channel(x: tf.Tensor, index: number): tf.Tensor {
  const begin = x.shape.map(() => 0);
  begin[begin.length - 1] = index;
  return tf.slice(x, begin, [...x.shape.slice(0, -1), 1]);
}
