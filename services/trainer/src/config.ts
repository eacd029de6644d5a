import type { BaseConfig } from '@medformer/rpc';
import type { z } from 'zod';

/** Settings of trainer beside those every service has; each is also a variable and a flag. */
export const trainerConfig = {} satisfies z.ZodRawShape;

export type TrainerConfig = BaseConfig & z.output<z.ZodObject<typeof trainerConfig>>;
