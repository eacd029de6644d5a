import type { BaseConfig } from '@medformer/rpc';
import type { z } from 'zod';

/** Settings of augmentation beside those every service has; each is also a variable and a flag. */
export const augmentationConfig = {} satisfies z.ZodRawShape;

export type AugmentationConfig = BaseConfig & z.output<z.ZodObject<typeof augmentationConfig>>;
