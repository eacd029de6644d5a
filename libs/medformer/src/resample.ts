import { tf } from '@medformer/tensorflow';

/**
 * The trained shape that an image of a shape no training saw is brought to: of those with as many axes the nearest by the
 * ratios of their edges. Undefined where the shape was trained itself, or none of as many axes was.
 * @param shape spatial axes only
 */
export function nearestShape(
  shape: readonly number[],
  trained: readonly (readonly number[])[],
): readonly number[] | undefined {
  const distance = (other: readonly number[]) =>
    other.reduce((sum, edge, axis) => sum + Math.abs(Math.log(edge / shape[axis]!)), 0);
  const [first, ...others] = trained.filter((other) => other.length === shape.length);
  if (!first) return undefined;
  const nearest = others.reduce((best, other) => (distance(other) < distance(best) ? other : best), first);
  return distance(nearest) === 0 ? undefined : nearest;
}

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

/** Rows of a triangle filter, as wide as the larger of both pixels: [to, from], every row summing to 1. */
export function resamplingWeights(from: number, to: number): Float32Array {
  const weights = new Float32Array(to * from);
  const scale = from / to;
  const reach = Math.max(1, scale);
  for (let row = 0; row < to; row += 1) {
    const centre = (row + 0.5) * scale;
    const line = Float64Array.from({ length: from }, (_, at) =>
      Math.max(0, 1 - Math.abs(at + 0.5 - centre) / reach),
    );
    const total = line.reduce((sum, weight) => sum + weight, 0);
    line.forEach((weight, at) => {
      weights[row * from + at] = weight / total;
    });
  }
  return weights;
}
