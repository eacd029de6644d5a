import { spatialOf } from '../fusion-source.js';
import { borderBetween, eachNeighbours } from '../neighbours.js';
import type { RawFusion } from '../raw-fuse.js';

/** Mean squared grey-value jumps across the borders between a fusion's regions. */
export interface SeamEnergy {
  /** What an image has there. */
  jump: number;
  /** What its sources have at the same places, each where it has its part. */
  expected: number;
  /** jump - expected: 0 for what could be a scan, negative where borders are smoother than scans are. */
  excess: number;
}

/**
 * How far an image's jumps across the borders of regions exceed those of its sources there.
 *
 * Of two neighbouring voxels p and q, b(p, q) = 1/2 sum_i |w_i(p) - w_i(q)| says how much of a border runs between them:
 * 1 at a cut, 1 in sum along a line through a soft border, 0 inside a region. With v the image, s_i the sources and w_i
 * the mean of a source's weights at p and q,
 *
 *   jump = sum b (v(p) - v(q))^2 / sum b,  expected = sum b sum_i w_i (s_i(p) - s_i(q))^2 / sum b,
 *
 * over all neighbours along all axes; of several channels the mean. Without a border all are 0, and so is the excess of a
 * cut fusion of identical sources. Two constant sources one grey step d apart have the excess d^2 at a cut, and (d/k)^2
 * across a linear border of k steps.
 *
 * @param values the raw fusion or what became of it, float32 of `shape`
 */
export function seamEnergy(
  values: Float32Array,
  { weights, aligned, shape }: Pick<RawFusion, 'weights' | 'aligned' | 'shape'>,
): SeamEnergy {
  const channels = shape.at(-1)!;
  const voxels = values.length / channels;
  const square = (image: Float32Array, p: number, q: number) => {
    let sum = 0;
    for (let channel = 0; channel < channels; channel += 1)
      sum += (image[p * channels + channel]! - image[q * channels + channel]!) ** 2;
    return sum / channels;
  };
  const spatial = spatialOf(shape);
  const between = borderBetween(weights, spatial);
  let border = 0;
  let jump = 0;
  let expected = 0;
  eachNeighbours(spatial, (p, q, axis) => {
    const share = between[p * spatial.length + axis]!;
    if (share === 0) return;
    border += share;
    jump += share * square(values, p, q);
    aligned.forEach((source, index) => {
      const weight = (weights[index * voxels + p]! + weights[index * voxels + q]!) / 2;
      if (weight > 0) expected += share * weight * square(source, p, q);
    });
  });
  if (border === 0) return { jump: 0, expected: 0, excess: 0 };
  return { jump: jump / border, expected: expected / border, excess: (jump - expected) / border };
}
