import type { BaseConfig } from '@medformer/rpc';
import type { z } from 'zod';

/** Settings of ingestion beside those every service has; each is also a variable and a flag. */
export const ingestionConfig = {} satisfies z.ZodRawShape;

export type IngestionConfig = BaseConfig & z.output<z.ZodObject<typeof ingestionConfig>>;
