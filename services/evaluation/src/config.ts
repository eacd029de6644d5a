import type { BaseConfig } from '@medformer/rpc';
import { z } from 'zod';

/** Settings of evaluation beside those every service has; each is also a variable and a flag. */
export const evaluationConfig = {
  evaluationThreads: z
    .int()
    .min(1)
    .optional()
    .describe('threads of the evaluation process; default: the cores of the machine'),
  evaluationsAtOnce: z
    .int()
    .min(1)
    .default(2)
    .describe('evaluations that are computed at once; they share one process and its threads'),
  evaluationsWaiting: z
    .int()
    .min(1)
    .default(100)
    .describe('evaluations that may wait for their turn; more are refused with RESOURCE_EXHAUSTED'),
} satisfies z.ZodRawShape;

export type EvaluationConfig = BaseConfig & z.output<z.ZodObject<typeof evaluationConfig>>;
