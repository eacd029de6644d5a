import type { Parameters } from '@medformer/medformer';
import type { GeneratorSpec } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { convolution, doubled } from './convolution.js';

/** Of what is below 0: a unit that never fires would never learn again, and there are few. */
const SLOPE = 0.1;

/**
 * A small U-Net (Ronneberger et al. 2015) without normalisation: [B, ...spatial, C] -> [B, ...spatial, out], at first 0.
 * Down by convolutions of stride 2, up by doubled voxels. Spatial edges are multiples of 2^levels.
 */
export function unet(
  parameters: Parameters,
  x: tf.Tensor,
  out: number,
  { width, levels }: GeneratorSpec['network'],
): tf.Tensor {
  const layer = (name: string, from: tf.Tensor, wide: number, stride = 1) =>
    tf.leakyRelu(convolution(parameters, `generator/${name}`, from, { width: wide, stride }), SLOPE);
  const kept: tf.Tensor[] = [];
  let h = layer('down-0/second', layer('down-0/first', x, width), width);
  for (let level = 1; level <= levels; level += 1) {
    kept.push(h);
    const wide = width * 2 ** level;
    h = layer(`down-${level}/second`, layer(`down-${level}/first`, h, wide, 2), wide);
  }
  for (let level = levels - 1; level >= 0; level -= 1) {
    const wide = width * 2 ** level;
    // The narrowing before the doubling: the finest grid is where the time goes.
    const up = doubled(layer(`up-${level}/first`, h, wide));
    h = layer(`up-${level}/second`, tf.concat([up, kept[level]!], -1), wide);
  }
  return convolution(parameters, 'generator/last', h, { width: out, zero: true });
}
