import type { Parameters } from '@medformer/medformer';
import { biasAdd, tf } from '@medformer/tensorflow';

export interface ConvolutionShape {
  width: number;
  kernel?: number;
  stride?: number;
  /** Weights of 0: nothing comes out before the first step. */
  zero?: boolean;
}

/** Padded with zeros: [B, ...spatial, C] -> [B, ...ceil(spatial / stride), width]; two or three spatial axes. */
export function convolution(
  parameters: Parameters,
  name: string,
  x: tf.Tensor,
  { width, kernel = 3, stride = 1, zero = false }: ConvolutionShape,
): tf.Tensor {
  const axes = x.shape.length - 2;
  const shape = [...Array<number>(axes).fill(kernel), x.shape.at(-1)!, width];
  const weight = parameters.get(`${name}/weight`, shape, zero ? 'zeros' : { normal: heDeviation(shape) });
  const bias = parameters.get(`${name}/bias`, [width], 'zeros');
  const convolved =
    axes === 3
      ? tf.conv3d(x as tf.Tensor5D, weight as tf.Tensor5D, stride, 'same')
      : tf.conv2d(x as tf.Tensor4D, weight as tf.Tensor4D, stride, 'same');
  return biasAdd(convolved, bias);
}

/** Keeps the variance through layers with rectifiers (He et al. 2015, equation 10). */
function heDeviation(shape: readonly number[]): number {
  return Math.sqrt(2 / shape.slice(0, -1).reduce((product, edge) => product * edge, 1));
}

/** Every voxel twice along every spatial axis: [B, ...spatial, C] -> [B, ...2 spatial, C]. */
export function doubled(x: tf.Tensor): tf.Tensor {
  let h = x;
  for (let axis = 1; axis < x.shape.length - 1; axis += 1) {
    const { shape } = h;
    const inner = shape.slice(axis + 1).reduce((product, edge) => product * edge, 1);
    // Of three axes, whose concatenation has a recordable gradient.
    const rows = tf.reshape(h, [-1, 1, inner]);
    const next = shape.slice();
    next[axis] = 2 * shape[axis]!;
    h = tf.reshape(tf.concat([rows, rows], 1), next);
  }
  return h;
}
