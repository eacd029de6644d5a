import { fileURLToPath } from 'node:url';
import { MedformerError } from '@medformer/schema';
import { openFilesystemStore } from './filesystem-store.js';
import type { ObjectStore } from './object-store.js';
import { openS3Store } from './s3-store.js';
import { observedStore } from './store-operations.js';

export interface ObjectStoreConfig {
  /** `file:///folder` or `s3://bucket?endpoint=http://host:9000&region=us-east-1`. */
  url: string;
  /** S3 only. */
  accessKey?: string | undefined;
  secretKey?: string | undefined;
}

/**
 * A store whose operations `onStoreOperation` tells.
 * @throws MedformerError INVALID_ARGUMENT naming what the URL lacks.
 */
export async function openObjectStore(config: ObjectStoreConfig): Promise<ObjectStore> {
  const url = URL.canParse(config.url) ? new URL(config.url) : undefined;
  if (url?.protocol === 'file:') return observedStore(await openFilesystemStore(fileURLToPath(url)));
  if (url?.protocol !== 's3:') throw refuse(config.url, 'file:///folder or s3://bucket?endpoint=…');
  const endpoint = url.searchParams.get('endpoint');
  if (!endpoint || !URL.canParse(endpoint))
    throw refuse(config.url, 'endpoint=http(s)://host:port in its query');
  if (url.pathname !== '' && url.pathname !== '/') throw refuse(config.url, 'no path after the bucket');
  if (!config.accessKey || !config.secretKey)
    throw refuse(config.url, 'an access key and a secret key beside it');
  const region = url.searchParams.get('region');
  const { accessKey, secretKey } = config;
  return observedStore(
    openS3Store({
      endpoint,
      bucket: url.hostname,
      accessKey,
      secretKey,
      ...(region ? { region } : {}),
    }),
  );
}

function refuse(url: string, expected: string): MedformerError {
  return new MedformerError('INVALID_ARGUMENT', `object store URL ${url}: expected ${expected}`);
}
