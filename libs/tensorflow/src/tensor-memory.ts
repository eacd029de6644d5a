import { tf } from './tf.js';

/** Tensors of this process and their bytes, weights and values in flight; asks no backend, so it starts none. */
export function tensorMemory(): { tensors: number; bytes: number } {
  const { numTensors, numBytes } = tf.engine().state;
  return { tensors: numTensors, bytes: numBytes };
}
