import { tf } from '@medformer/tensorflow';

export interface BandLosses {
  pixel: tf.Scalar;
  gradient: tf.Scalar;
  sharpness: tf.Scalar;
}

/**
 * Errors of repaired grey values where they are drawn anew, per voxel of the band, so that neither the size of an image nor
 * how many seams it has changes their scale.
 *
 * - pixel: mean absolute error,
 * - gradient: mean absolute error of the differences between neighbours along each axis, averaged over axes, which
 *   keeps edges where the former alone prefers blur (Mathieu et al. 2016, equation 6 with exponent 1),
 * - sharpness: |c - c'| / (c + c') with c and c' the sums of the squared differences of an image's values and of its
 *   target's in the band, averaged over images. What cannot be known is blurred by the other two; this asks for as much
 *   contrast as scans have.
 *
 * @param values and target are [B, ...spatial, channels]
 * @param band [B, ...spatial, 1]
 */
export function bandLosses(values: tf.Tensor, target: tf.Tensor, band: tf.Tensor): BandLosses {
  const axes = values.shape.length - 2;
  const voxels = tf.add(tf.mul(tf.sum(band), values.shape.at(-1)!), 1e-6);
  // Outside of the band the error is 0 as it is.
  const pixel = tf.div(tf.sum(tf.abs(tf.sub(values, target))), voxels);
  let gradient: tf.Tensor = tf.scalar(0);
  let found: tf.Tensor = tf.zeros([values.shape[0]!]);
  let wanted: tf.Tensor = tf.zeros([values.shape[0]!]);
  for (let axis = 1; axis <= axes; axis += 1) {
    const steps = difference(values, axis);
    const targets = difference(target, axis);
    const weight = tf.minimum(part(band, axis, 0), part(band, axis, 1));
    gradient = tf.add(gradient, tf.sum(tf.abs(tf.sub(steps, targets))));
    found = tf.add(found, sumPerImage(tf.mul(tf.square(steps), weight)));
    wanted = tf.add(wanted, sumPerImage(tf.mul(tf.square(targets), weight)));
  }
  return {
    pixel: pixel as tf.Scalar,
    gradient: tf.div(gradient, tf.mul(voxels, axes)) as tf.Scalar,
    sharpness: relativeDistance(found, wanted),
  };
}

/**
 * How far the jumps across the borders of repaired fusions are from those of their sources: |j - e| / (j + e), averaged over
 * images, with j and e the jump and the expected jump of `seamEnergy`. Neither a seam nor blur is let pass.
 *
 * @param values [B, ...spatial, channels]
 * @param between [B, ...spatial, axes], by `borderBetween`
 * @param expected [B]
 */
export function seamLoss(values: tf.Tensor, between: tf.Tensor, expected: tf.Tensor): tf.Scalar {
  const axes = values.shape.length - 2;
  let jump: tf.Tensor = tf.zeros([values.shape[0]!]);
  for (let axis = 1; axis <= axes; axis += 1) {
    const square = tf.mean(tf.square(difference(values, axis)), -1, true);
    jump = tf.add(jump, sumPerImage(tf.mul(square, part(channel(between, axis - 1), axis, 0))));
  }
  return relativeDistance(tf.div(jump, tf.add(sumPerImage(between), 1e-6)), expected);
}

/** Mean of |a - b| / (a + b) over images, [B] and [B]. */
function relativeDistance(a: tf.Tensor, b: tf.Tensor): tf.Scalar {
  return tf.mean(tf.div(tf.abs(tf.sub(a, b)), tf.add(tf.add(a, b), 1e-6))) as tf.Scalar;
}

function channel(x: tf.Tensor, index: number): tf.Tensor {
  const begin = x.shape.map(() => 0);
  begin[begin.length - 1] = index;
  return tf.slice(x, begin, [...x.shape.slice(0, -1), 1]);
}

function difference(x: tf.Tensor, axis: number): tf.Tensor {
  return tf.sub(part(x, axis, 1), part(x, axis, 0));
}

/** All but the last along an axis, or but the first. */
function part(x: tf.Tensor, axis: number, begin: 0 | 1): tf.Tensor {
  const from = x.shape.map((_, at) => (at === axis ? begin : 0));
  return tf.slice(
    x,
    from,
    x.shape.map((edge, at) => (at === axis ? edge - 1 : edge)),
  );
}

/** [B]. */
function sumPerImage(x: tf.Tensor): tf.Tensor {
  return tf.sum(tf.reshape(x, [x.shape[0]!, -1]), 1);
}
