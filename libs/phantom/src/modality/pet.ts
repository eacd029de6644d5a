import type { Rng } from '@medformer/schema';
import { gaussianBlur } from '../filter.js';

/**
 * One PET acquisition, in place: the scanner's point spread, counts, and the smoothing of the reconstruction.
 *
 * @param uptake standardised uptake values; stays in those units
 * @param spread standard deviation of the point spread in samples, one per axis
 * @param countsPerUptake expected counts of a sample with uptake 1: dose times time
 */
export function acquirePet(
  uptake: Float32Array,
  shape: readonly number[],
  spread: readonly number[],
  countsPerUptake: number,
  rng: Rng,
): void {
  gaussianBlur(uptake, shape, spread);
  for (let i = 0; i < uptake.length; i += 1) {
    uptake[i] = rng.poisson(uptake[i]! * countsPerUptake) / countsPerUptake;
  }
  gaussianBlur(
    uptake,
    shape,
    shape.map(() => 0.5),
  );
}
