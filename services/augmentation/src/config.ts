import type { BaseConfig } from '@medformer/rpc';
import { z } from 'zod';

/** Settings of augmentation beside those every service has; each is also a variable and a flag. */
export const augmentationConfig = {
  augmentationThreads: z
    .int()
    .min(1)
    .optional()
    .describe('threads of the fusion and generator processes; default: the cores of the machine'),
} satisfies z.ZodRawShape;

export type AugmentationConfig = BaseConfig & z.output<z.ZodObject<typeof augmentationConfig>>;
