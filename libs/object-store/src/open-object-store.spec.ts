import { expect, it } from 'vitest';
import { openObjectStore } from './open-object-store.js';

it.each([
  ['store', 'file:///folder or s3://bucket?endpoint=…'],
  ['https://store.example/bucket', 'file:///folder or s3://bucket?endpoint=…'],
  ['s3://scans', 'endpoint=http(s)://host:port in its query'],
  [
    's3://b?endpoint=http://127.0.0.1:9000',
    'a bucket of 3 to 63 lower-case letters, digits, dots and hyphens',
  ],
  [
    's3://my_scans?endpoint=http://127.0.0.1:9000',
    'a bucket of 3 to 63 lower-case letters, digits, dots and hyphens',
  ],
  ['s3://scans/folder?endpoint=http://127.0.0.1:9000', 'no path after the bucket'],
])('refuses the URL %s before any request', async (url, expected) => {
  await expect(openObjectStore({ url })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: `object store URL ${url}: expected ${expected}`,
  });
});
