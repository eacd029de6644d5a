import { z } from 'zod';
import { ContentHash } from './primitives.js';

/** Another run's checkpoint to start from: its input Adaptformer, body and shared output end, and its heads if asked. */
export const InitialSpec = z.strictObject({
  checkpoint: ContentHash,
  /**
   * Tensors that may be missing there, be of another shape, or find no place here, by name; `*` stands for any
   * characters. Any other such tensor is an error. What this model has of them starts from the seed.
   */
  allow: z.array(z.string().min(1)).default([]),
  /**
   * Tensors that stay as the checkpoint has them, by name; `*` stands for any characters, a leading `!` takes out:
   * `[body/*]` trains the ends, `[*]` only what is new: heads, codes of new keys and ends that no run has trained yet.
   */
  freeze: z
    .array(z.string().regex(/^!?[\w*./-]+$/, 'expected a parameter name with * for anything'))
    .default([]),
  /** The model keeps the heads and all codes that the checkpoint has, and gets this run's beside them. */
  extend: z.boolean().default(false),
});
export type InitialSpec = z.infer<typeof InitialSpec>;
