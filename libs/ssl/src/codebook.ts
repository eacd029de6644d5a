import { pixelScale } from '@medformer/augment';
import { INPUT_STATISTICS, type InputStatistics } from '@medformer/medformer';
import { Rng } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { kmeans } from 'ml-kmeans';
import type { TrainingGroup } from './training-group.js';

/** Lloyd's iterations: the codes' error falls by less than 1 % a round long before. */
const ITERATIONS = 25;

/**
 * Codes of patches, [codes, width] row-major: k-means over the given patches (k-means++ start, then Lloyd), the same
 * for the same seed. Where fewer different patches than codes exist, each is a code and the rest of the codes repeat
 * the first, so that none of them is ever the nearest.
 */
export function fitCodebook(patches: readonly Float32Array[], codes: number, seed: number): Float32Array {
  const distinct = new Map(
    patches.map((patch) => [Buffer.from(patch.slice().buffer).toString('latin1'), patch]),
  );
  const chosen =
    distinct.size <= codes
      ? [...distinct.values()]
      : kmeans(
          patches.map((patch) => [...patch]),
          codes,
          { seed: Rng.of(seed, 'codebook').uint32(), maxIterations: ITERATIONS },
        ).centroids;
  const width = patches[0]!.length;
  const book = new Float32Array(codes * width);
  for (let code = 0; code < codes; code += 1) book.set(chosen[code] ?? chosen[0]!, code * width);
  return book;
}

/** Standardised patches of images drawn at random, each at a random place; beyond the edge they are 0. */
export function drawPatches(
  groups: readonly TrainingGroup[],
  patch: number,
  count: number,
  rng: Rng,
  input: InputStatistics = INPUT_STATISTICS,
): Float32Array[] {
  const images = groups.reduce((sum, { records }) => sum + records.length, 0);
  return Array.from({ length: count }, () => {
    let at = rng.integer(images);
    const group = groups.find(({ records }) => {
      at -= records.length;
      return at < 0;
    })!;
    const spatial = group.shape.slice(0, -1);
    const corner = spatial.map((size) => rng.integer(Math.max(1, size - patch + 1)));
    return patchAt(group, group.records.length + at, corner, patch, input);
  });
}

/**
 * The nearest code of each patch by squared distance, the first of equally near ones: [M, width] and [V, width] -> int32
 * [M]. Without a gradient.
 */
export function nearestCodes(patches: tf.Tensor, codes: tf.Tensor): tf.Tensor1D {
  // Inside a custom gradient of no inputs, the ops leave nothing for the gradient to pass through.
  return tf.customGrad(() => {
    // |p - c|^2 without |p|^2, which is the same for every code.
    const cross = tf.matMul(patches as tf.Tensor2D, codes as tf.Tensor2D, false, true);
    const distances = tf.sub(tf.sum(tf.square(codes), 1), tf.mul(cross, 2));
    return { value: tf.argMin(distances, 1), gradFunc: () => [] };
  })() as tf.Tensor1D;
}

function patchAt(
  { shape, pixels }: TrainingGroup,
  image: number,
  corner: readonly number[],
  patch: number,
  input: InputStatistics,
): Float32Array {
  const spatial = shape.slice(0, -1);
  const channels = shape[shape.length - 1]!;
  const size = spatial.reduce((product, edge) => product * edge, channels);
  const scale = pixelScale(pixels);
  const out = new Float32Array(patch ** spatial.length * channels);
  for (let place = 0; place < out.length / channels; place += 1) {
    let rest = place;
    const pixel = spatial.map(() => 0);
    for (let axis = spatial.length - 1; axis >= 0; axis -= 1) {
      pixel[axis] = corner[axis]! + (rest % patch);
      rest = Math.floor(rest / patch);
    }
    if (pixel.some((at, axis) => at >= spatial[axis]!)) continue;
    const from = image * size + pixel.reduce((sum, at, axis) => sum * spatial[axis]! + at, 0) * channels;
    for (let channel = 0; channel < channels; channel += 1) {
      const value = pixels[from + channel]! * scale;
      out[place * channels + channel] = (value - input.mean) / input.std;
    }
  }
  return out;
}
