import type { BaseConfig } from '@medformer/rpc';
import type { z } from 'zod';

/** Settings of encoder beside those every service has; each is also a variable and a flag. */
export const encoderConfig = {} satisfies z.ZodRawShape;

export type EncoderConfig = BaseConfig & z.output<z.ZodObject<typeof encoderConfig>>;
