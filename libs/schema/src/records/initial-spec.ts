import { z } from 'zod';
import { ContentHash } from './primitives.js';

/** Another run's checkpoint to start from: its input Adaptformer, body and shared output end. */
export const InitialSpec = z.strictObject({
  checkpoint: ContentHash,
  /**
   * Tensors that may be missing there, be of another shape, or find no place here, by name; `*` stands for any
   * characters. Any other such tensor is an error. What this model has of them starts from the seed.
   */
  allow: z.array(z.string().min(1)).default([]),
});
export type InitialSpec = z.infer<typeof InitialSpec>;
