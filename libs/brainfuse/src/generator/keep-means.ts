import type { RawFusion } from '../raw-fuse.js';

/** Rounds: one is exact but for soft borders, where regions share voxels, and for what is clipped. */
const ROUNDS = 3;

/**
 * Gives every region of a repaired fusion the mean it had before: a gain per source, weighed with the band, so that what was
 * not drawn anew stays. A gain, because air is black before and after.
 *
 * @param repaired float32 [0, 1] of the fusion's shape; changed in place
 * @param band [...spatial] in [0, 1]
 */
export function keepMeans(
  repaired: Float32Array,
  { values, weights }: Pick<RawFusion, 'values' | 'weights'>,
  band: Float32Array,
): void {
  const voxels = band.length;
  const channels = repaired.length / voxels;
  const sources = weights.length / voxels;
  const drawn = Array.from({ length: voxels }, (_, voxel) => voxel).filter((voxel) => band[voxel]! > 0);
  const gain = new Float64Array(voxels);
  for (let round = 0; round < ROUNDS; round += 1) {
    gain.fill(0);
    for (let source = 0; source < sources; source += 1) {
      const at = source * voxels;
      let [missing, movable] = [0, 0];
      for (const voxel of drawn) {
        const weight = weights[at + voxel]!;
        if (weight === 0) continue;
        for (let i = voxel * channels; i < (voxel + 1) * channels; i += 1) {
          missing += weight * (values[i]! - repaired[i]!);
          movable += weight * band[voxel]! * repaired[i]!;
        }
      }
      if (movable <= 0) continue;
      const own = Math.min(1, Math.max(-0.5, missing / movable));
      for (const voxel of drawn) gain[voxel]! += weights[at + voxel]! * own;
    }
    for (const voxel of drawn)
      for (let i = voxel * channels; i < (voxel + 1) * channels; i += 1)
        repaired[i] = Math.min(1, repaired[i]! * (1 + band[voxel]! * gain[voxel]!));
  }
}
