import type { Rng } from '@medformer/schema';
import { RELAXATION, type Relaxation } from '../tissue.js';

export const MRI_SEQUENCES = ['t1', 't2'] as const;
export type MriSequence = (typeof MRI_SEQUENCES)[number];

/** Spin-echo signal of every tissue: density (1 - exp(-TR/T1)) exp(-TE/T2), scaled so that the largest is 1. */
export function spinEchoSignal(
  repetitionMs: number,
  echoMs: number,
  relaxation: readonly Relaxation[] = RELAXATION,
): Float64Array {
  const signal = Float64Array.from(
    relaxation,
    ({ density, t1, t2 }) => density * (1 - Math.exp(-repetitionMs / t1)) * Math.exp(-echoMs / t2),
  );
  const largest = Math.max(...signal);
  return signal.map((value) => value / largest);
}

/** Repetition and echo time of one scan, in ms, as protocols of different hospitals differ. */
export function drawSequence(sequence: MriSequence, rng: Rng): { repetitionMs: number; echoMs: number } {
  return sequence === 't1'
    ? { repetitionMs: rng.uniform(420, 700), echoMs: rng.uniform(9, 18) }
    : { repetitionMs: rng.uniform(2800, 5200), echoMs: rng.uniform(75, 120) };
}

/**
 * Receive coil and noise, in place: a smooth multiplicative bias over the field of view, then the magnitude of a
 * complex signal with Gaussian noise in both channels (Rician, Gudbjartsson and Patz 1995).
 */
export function receive(
  signal: Float32Array,
  shape: readonly number[],
  biasStrength: number,
  noise: number,
  rng: Rng,
): void {
  const linear = shape.map(() => rng.normal(0, biasStrength));
  const quadratic = shape.map(() => rng.normal(0, 0.6 * biasStrength));
  const [depth, height, width] = shape.length === 3 ? shape : [1, ...shape];
  const offset = 3 - shape.length;
  let i = 0;
  for (let z = 0; z < depth!; z += 1) {
    for (let y = 0; y < height!; y += 1) {
      for (let x = 0; x < width!; x += 1, i += 1) {
        let exponent = 0;
        for (let axis = 0; axis < shape.length; axis += 1) {
          const at = axis + offset === 0 ? z : axis + offset === 1 ? y : x;
          const position = (2 * at) / (shape[axis]! - 1) - 1;
          exponent += linear[axis]! * position + quadratic[axis]! * position * position;
        }
        const real = signal[i]! * Math.exp(exponent) + rng.normal(0, noise);
        const imaginary = rng.normal(0, noise);
        signal[i] = Math.sqrt(real * real + imaginary * imaginary);
      }
    }
  }
}
