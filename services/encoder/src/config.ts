import type { BaseConfig } from '@medformer/rpc';
import { ContentHash } from '@medformer/schema';
import { z } from 'zod';

const MIB = 2 ** 20;
const SHAPE = /^\d+x\d+x\d+(x\d+)?$/;

/** Settings of encoder beside those every service has; each is also a variable and a flag. */
export const encoderConfig = {
  encoderCheckpoint: ContentHash.optional().describe(
    'checkpoint that a start chooses for every encoder on the store; default: the one that LoadModel chose last',
  ),
  encoderFollowMs: z
    .int()
    .min(100)
    .default(5000)
    .describe('how often the store is asked which models another encoder chose, ms, give or take a quarter'),
  encoderThreads: z
    .int()
    .min(1)
    .optional()
    .describe('threads of each encoding process; default: the cores of the machine'),
  encoderMaxBatch: z.int().min(1).max(1024).default(32).describe('images of one batch at most'),
  encoderMaxQueueDelayMs: z
    .number()
    .min(0)
    .default(0)
    .describe('how long an image waits for others to fill its batch, ms; 0: whatever waits goes together'),
  encoderMaxQueue: z
    .int()
    .min(1)
    .default(512)
    .describe('images that may wait; more are refused with RESOURCE_EXHAUSTED queue-full'),
  encoderMaxQueueBytes: z
    .int()
    .min(1)
    .default(256 * MIB)
    .describe(
      'bytes of images that may wait or be computed; more are refused with RESOURCE_EXHAUSTED bytes-full',
    ),
  encoderMaxPixels: z
    .int()
    .min(1)
    .default(32 * MIB)
    .describe('values of one decoded image at most'),
  encoderDecoders: z.int().min(1).default(2).describe('processes that decode image files, started as needed'),
  encoderMaxModels: z
    .int()
    .min(1)
    .default(2)
    .describe('models that stay loaded, the one to roll back to included; one more while it takes over'),
  encoderPromotedOnly: z
    .boolean()
    .default(false)
    .describe(
      'serve by default only what a gate promoted: by LoadModel over what is served, by a roll-back or a start at all (medformer promote)',
    ),
  encoderWarmUp: z
    .string()
    .default('28x28x1,28x28x28x1')
    .refine((shapes) => shapes === '' || shapes.split(',').every((shape) => SHAPE.test(shape)), {
      message: 'expected shapes such as 28x28x1,28x28x28x1',
    })
    .describe(
      'shapes of image, channels last, that a model computes at every size of batch before it is ready',
    ),
} satisfies z.ZodRawShape;

export type EncoderConfig = BaseConfig & z.output<z.ZodObject<typeof encoderConfig>>;

/** `28x28x1,28x28x28x1` as shapes. */
export function warmUpShapes(text: string): number[][] {
  if (text === '') return [];
  return text.split(',').map((shape) => shape.split('x').map(Number));
}
