import type { Rng } from '@medformer/schema';
import { HOUNSFIELD, Tissue } from '../tissue.js';

/** Linear attenuation per mm at about 60 keV, water 0.0206; bone and calcified
 * tumour more than their CT numbers say (photo effect). */
export const ATTENUATION: Float64Array = Float64Array.from(HOUNSFIELD, (hounsfield, tissue) => {
  const photoEffect = tissue === Tissue.Bone ? 1.25 : tissue === Tissue.Tumour ? 1.6 : 1;
  return 0.0206 * Math.max(0, 1 + hounsfield / 1000) * photoEffect;
});

/**
 * The film of a beam through the body: Beer-Lambert, quantum noise, logarithm. Bone is bright.
 *
 * @param path attenuation integrated along each ray (dimensionless); replaced by the measured one, in place
 * @param photons expected photons per pixel without a body
 */
export function expose(path: Float32Array, photons: number, rng: Rng): void {
  for (let i = 0; i < path.length; i += 1) {
    const counted = rng.poisson(photons * Math.exp(-path[i]!));
    path[i] = Math.log(photons / Math.max(1, counted));
  }
}
