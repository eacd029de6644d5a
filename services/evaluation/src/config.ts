import type { BaseConfig } from '@medformer/rpc';
import { z } from 'zod';

/** Settings of evaluation beside those every service has; each is also a variable and a flag. */
export const evaluationConfig = {
  evaluationThreads: z
    .int()
    .min(1)
    .optional()
    .describe('threads of the evaluation process; default: the cores of the machine'),
} satisfies z.ZodRawShape;

export type EvaluationConfig = BaseConfig & z.output<z.ZodObject<typeof evaluationConfig>>;
