import { z } from 'zod';

/** What is known of a method's loss before it is trained, in the units of the loss; what has no closed form is absent. */
export const ExpectedLoss = z.object({
  /** Before anything is learnt. */
  start: z.number().optional(),
  /** The least that can be reached. */
  floor: z.number().optional(),
  /** Where the loss stays when all images get the same embedding. */
  collapsed: z.number().optional(),
  /** Where the first loss of random weights lies, whatever the data. */
  first: z.object({ least: z.number(), most: z.number() }).optional(),
});
export type ExpectedLoss = z.infer<typeof ExpectedLoss>;

/**
 * When a run counts as collapsed: at every one of its last `window` steps the embeddings' spread and both their ranks
 * are below their thresholds, and the loss, over the same steps, has not left the value it has on collapse; where the
 * method has none, it does not fall, or stands above its start.
 *
 * Spread and effective rank alone do not tell: a network that learns a hard task, or has just begun, adds one large vector to
 * all embeddings, and yet what differs between them keeps its directions. The thresholds lie between what was measured
 * (docs/run-health.md).
 */
export const HealthSpec = z.strictObject({
  /** `warn`: say so and go on. `stop`: end the run with a checkpoint, failed. */
  onCollapse: z.enum(['warn', 'stop']).default('warn'),
  /** Steps that all have to look collapsed: one batch is noise. */
  window: z.number().int().min(1).default(20),
  /** Standard deviation of the normalised embeddings times sqrt(width): 1 when spread evenly, 0 when all the same. */
  embeddingStd: z.number().min(0).default(0.1),
  /** Directions the embeddings use, 1 when all the same. */
  effectiveRank: z.number().min(0).default(1.7),
  /** The same of the embeddings minus their mean. */
  centredRank: z.number().min(0).default(4),
});
export type HealthSpec = z.infer<typeof HealthSpec>;
