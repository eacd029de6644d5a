import type { BaseConfig } from '@medformer/rpc';
import { ContentHash } from '@medformer/schema';
import { z } from 'zod';

/** Settings of encoder beside those every service has; each is also a variable and a flag. */
export const encoderConfig = {
  encoderCheckpoint: ContentHash.optional().describe(
    'checkpoint to serve from the start; default: the one that LoadModel chose last',
  ),
  encoderThreads: z
    .int()
    .min(1)
    .optional()
    .describe('threads of the encoding process; default: the cores of the machine'),
} satisfies z.ZodRawShape;

export type EncoderConfig = BaseConfig & z.output<z.ZodObject<typeof encoderConfig>>;
