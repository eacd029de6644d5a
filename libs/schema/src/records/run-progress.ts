import { z } from 'zod';
import { ERROR_CODES } from '../errors.js';
import { ExpectedLoss } from './health-spec.js';
import { ContentHash } from './primitives.js';

/** JSON has no NaN: a number that is not finite is stored as null. */
const Measured = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
const Count = z.number().int().min(0);

export const RUN_ENDS = ['succeeded', 'failed', 'cancelled', 'interrupted'] as const;

/**
 * How far a run is, as the process that trains it last said: a small record that is overwritten every few seconds, so that
 * whoever reads the object store can follow the run. Its age is the process's sign of life.
 */
export const RunProgress = z.object({
  kind: z.literal('medformer.run-progress.v1'),
  run: ContentHash,
  /** The claim under which it was written. */
  epoch: Count,
  state: z.enum(['running', ...RUN_ENDS]),
  method: z.string(),
  step: Count,
  steps: Count,
  startedAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  /** Of the newest step; absent before the first. */
  last: z
    .object({
      loss: Measured,
      learningRate: Measured,
      gradientNorm: Measured,
      imagesPerSecond: Measured,
      etaSeconds: Measured,
      viewsMs: Measured,
      stepMs: Measured,
      embeddingStd: z.number().default(0),
      effectiveRank: z.number().default(0),
    })
    .optional(),
  /** The newest online evaluation. */
  online: z
    .object({
      step: Count,
      scores: z.array(z.object({ protocol: z.string(), accuracy: z.number(), auc: z.number() })),
    })
    .optional(),
  health: z
    .object({
      expectedLoss: ExpectedLoss.optional(),
      /** Oldest first. */
      warnings: z.array(z.string()).default([]),
      /** Step at which all embeddings were first nearly the same; 0: never. */
      collapsedStep: Count.default(0),
      collapsed: z.boolean().default(false),
    })
    .optional(),
  /** The newest checkpoint. */
  checkpoint: z.object({ step: Count, checkpoint: ContentHash }).optional(),
  failure: z.object({ code: z.enum(ERROR_CODES), message: z.string() }).optional(),
});
export type RunProgress = z.output<typeof RunProgress>;
