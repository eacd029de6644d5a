import { triangleWeights } from '@medformer/imaging/axis-weights';
import { tf } from '@medformer/tensorflow';

/** Images [B, ...spatial, C] at other spatial edges: linear interpolation, averaging where pixels grow (anti-aliased). */
export function resampled(x: tf.Tensor, shape: readonly number[]): tf.Tensor {
  return shape.reduce<tf.Tensor>((image, to, axis) => {
    const at = axis + 1;
    const from = image.shape[at]!;
    if (from === to) return image;
    const product = (edges: number[]) => edges.reduce((size, edge) => size * edge, 1);
    const before = product(image.shape.slice(0, at));
    const after = product(image.shape.slice(at + 1));
    const weights = tf.tensor3d(resamplingWeights(from, to), [1, to, from]);
    const rows = tf.matMul(weights, tf.reshape(image, [before, from, after]));
    return tf.reshape(rows, [...image.shape.slice(0, at), to, ...image.shape.slice(at + 1)]);
  }, x);
}

/** The rows of `triangleWeights` as a matrix [to, from]. */
export function resamplingWeights(from: number, to: number): Float32Array {
  const weights = new Float32Array(to * from);
  for (const [row, taps] of triangleWeights(from, to).entries()) {
    taps.from.forEach((at, tap) => {
      weights[row * from + at] = taps.weight[tap]!;
    });
  }
  return weights;
}
