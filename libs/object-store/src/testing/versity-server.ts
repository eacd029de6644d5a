import { join } from 'node:path';
import { type S3Server, startS3Server } from './s3-server.js';

/** Starts a Versity S3 Gateway with one empty bucket. @throws Error when the binary is not built (`tools/versitygw.sh`). */
export function startVersity(bucket = 'medformer-test'): Promise<S3Server> {
  const accessKey = 'medformer-test';
  const secretKey = 'medformer-test-secret';
  return startS3Server({
    binary: 'versitygw',
    // Attributes in the backing files themselves need a file system that has them; temporary ones often do not.
    folders: ['attributes', 'data'],
    args: ({ folder, port }) => [
      '--quiet',
      '--keep-alive',
      '--port',
      `127.0.0.1:${port}`,
      'posix',
      '--sidecar',
      join(folder, 'attributes'),
      join(folder, 'data'),
    ],
    env: { ROOT_ACCESS_KEY_ID: accessKey, ROOT_SECRET_ACCESS_KEY: secretKey },
    bucket,
    accessKey,
    secretKey,
  });
}
