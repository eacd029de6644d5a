import { type BaseConfig, secret } from '@medformer/rpc';
import { MAX_SHARD_BYTES } from '@medformer/schema';
import { z } from 'zod';

/** Settings of ingestion beside those every service has; each is also a variable and a flag. */
export const ingestionConfig = {
  pseudonymKey: secret(
    z
      .string()
      .min(16)
      .optional()
      .describe('key of the hash that replaces patient ids; default: drawn once, in DATA/pseudonym.key'),
  ),
  deidentificationFile: z
    .string()
    .optional()
    .describe(
      'YAML: options, pixelRegions and acceptUnstatedPixels of the de-identification of DICOM; default: its basic profile',
    ),
  maxArchiveBytes: z
    .int()
    .positive()
    .default(32 * 1024 ** 3)
    .describe('the most bytes that one archive may hold unpacked'),
  uploadStore: z
    .string()
    .optional()
    .describe(
      's3://bucket?endpoint=… that clients reach too: raw files are PUT there by presigned URL; default: all come over gRPC',
    ),
  maxShardBytes: z
    .int()
    .min(65_536)
    .max(MAX_SHARD_BYTES)
    .default(MAX_SHARD_BYTES)
    .describe('the most bytes of one shard'),
} satisfies z.ZodRawShape;

export type IngestionConfig = BaseConfig & z.output<z.ZodObject<typeof ingestionConfig>>;
