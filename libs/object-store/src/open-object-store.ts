import { fileURLToPath } from 'node:url';
import { MedformerError } from '@medformer/schema';
import { openFilesystemStore } from './filesystem-store.js';
import type { ObjectStore } from './object-store.js';
import { openS3Store, type S3AccessOptions } from './s3-store.js';
import { observedStore } from './store-operations.js';

export interface ObjectStoreConfig extends S3AccessOptions {
  /** `file:///folder`, to which nothing else here applies, or `s3://bucket?endpoint=http://host:9000&region=us-east-1`. */
  url: string;
}

/** Amazon S3, "General purpose bucket naming rules"; clients refuse others only with the first request. */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

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
  if (!BUCKET.test(url.hostname))
    throw refuse(config.url, 'a bucket of 3 to 63 lower-case letters, digits, dots and hyphens');
  if (url.pathname !== '' && url.pathname !== '/') throw refuse(config.url, 'no path after the bucket');
  const region = url.searchParams.get('region');
  const { url: _, ...access } = config;
  return observedStore(
    openS3Store({
      ...access,
      endpoint,
      bucket: url.hostname,
      ...(region ? { region } : {}),
    }),
  );
}

function refuse(url: string, expected: string): MedformerError {
  return new MedformerError('INVALID_ARGUMENT', `object store URL ${url}: expected ${expected}`);
}
