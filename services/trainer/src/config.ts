import type { BaseConfig } from '@medformer/rpc';
import { z } from 'zod';

/** Settings of trainer beside those every service has; each is also a variable and a flag. */
export const trainerConfig = {
  trainerThreads: z
    .int()
    .min(1)
    .optional()
    .describe('threads of a training process; default: the cores of the machine'),
  trainerConcurrency: z
    .int()
    .min(1)
    .default(1)
    .describe('runs that train at once; the others wait: one per device is right'),
} satisfies z.ZodRawShape;

export type TrainerConfig = BaseConfig & z.output<z.ZodObject<typeof trainerConfig>>;
