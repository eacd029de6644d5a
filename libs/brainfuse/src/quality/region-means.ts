/**
 * Mean grey value of each source's region, by its weights; of several channels their mean.
 *
 * @param values [voxels, channels]
 * @param weights [sources, voxels]
 * @returns one per source; NaN for one that has no part in the fusion
 */
export function regionMeans(values: Float32Array, weights: Float32Array, channels: number): number[] {
  const voxels = values.length / channels;
  return Array.from({ length: weights.length / voxels }, (_, source) => {
    let [sum, weight] = [0, 0];
    for (let voxel = 0; voxel < voxels; voxel += 1) {
      const own = weights[source * voxels + voxel]!;
      if (own === 0) continue;
      weight += own;
      for (let at = voxel * channels; at < (voxel + 1) * channels; at += 1) sum += own * values[at]!;
    }
    return sum / (weight * channels);
  });
}

/**
 * How far each region's mean moved, as a share of the mean grey value of the whole fusion before; of the regions that are
 * there. A region of air has no grey value that a share of its own could be of.
 */
export function regionDrifts(
  before: Float32Array,
  after: Float32Array,
  weights: Float32Array,
  channels: number,
): number[] {
  const overall = before.reduce((sum, value) => sum + value, 0) / before.length;
  const [old, fresh] = [before, after].map((values) => regionMeans(values, weights, channels));
  const moved = old!.flatMap((mean, at) => (Number.isNaN(mean) ? [] : [Math.abs(fresh![at]! - mean)]));
  return moved.map((by) => (by === 0 ? 0 : by / overall));
}

/** Mean of `regionDrifts`. */
export function regionDrift(
  before: Float32Array,
  after: Float32Array,
  weights: Float32Array,
  channels: number,
): number {
  const drifts = regionDrifts(before, after, weights, channels);
  return drifts.reduce((sum, drift) => sum + drift, 0) / drifts.length;
}
