import { z } from 'zod';
import { TaskKind } from './dataset-manifest.js';
import { Slug } from './primitives.js';

/** See `RunSpec`: how a head tells ordered classes. */
export const OrdinalLink = z.enum(['softmax', 'cumulative']);
export type OrdinalLink = z.infer<typeof OrdinalLink>;

/** A head of a model: what it tells apart, and how. */
export const TaskHead = z.object({
  task: Slug,
  /** Classes, or labels of a multi-label task. */
  classes: z.number().int().min(2),
  /** Multi-class when absent. */
  kind: TaskKind.optional(),
  ordinal: OrdinalLink.optional(),
});
export type TaskHead = z.infer<typeof TaskHead>;
