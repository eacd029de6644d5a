import type { Parameters } from '@medformer/medformer';
import type { GeneratorSpec } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { unet } from './unet.js';

/**
 * The generator: [B, ...spatial, channels + 2] of grey values, band and border to repaired grey values
 * [B, ...spatial, channels], not clipped. What it adds is weighed with the band, so that nothing changes away from seams.
 */
export function repaired(
  parameters: Parameters,
  input: tf.Tensor,
  network: GeneratorSpec['network'],
): tf.Tensor {
  const channels = input.shape.at(-1)! - 2;
  const values = channelsOf(input, 0, channels);
  return tf.add(values, tf.mul(bandOf(input), unet(parameters, input, channels, network)));
}

/** The band [B, ...spatial, 1] of a generator's input. */
export function bandOf(input: tf.Tensor): tf.Tensor {
  return channelsOf(input, input.shape.at(-1)! - 2, 1);
}

function channelsOf(x: tf.Tensor, first: number, count: number): tf.Tensor {
  const begin = x.shape.map(() => 0);
  begin[begin.length - 1] = first;
  return tf.slice(x, begin, [...x.shape.slice(0, -1), count]);
}
