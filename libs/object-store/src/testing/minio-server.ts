import { type S3Server, startS3Server } from './s3-server.js';

export interface MinioOptions {
  bucket?: string;
  /** A folder with `public.crt` and `private.key`, and the file of their authority: TLS. */
  tls?: { folder: string; caFile: string };
  /** More of MinIO's own variables, e.g. MINIO_KMS_SECRET_KEY. */
  env?: Record<string, string>;
}

/** Starts MinIO with one empty bucket. @throws Error when the binary is not built (`tools/minio.sh`). */
export function startMinio(options: MinioOptions = {}): Promise<S3Server> {
  const { bucket = 'medformer-test', tls, env } = options;
  const accessKey = 'medformer-test';
  const secretKey = 'medformer-test-secret';
  return startS3Server({
    binary: 'minio',
    args: ({ folder, port }) => [
      'server',
      '--quiet',
      ...(tls ? ['--certs-dir', tls.folder] : []),
      '--address',
      `127.0.0.1:${port}`,
      folder,
    ],
    env: { MINIO_ROOT_USER: accessKey, MINIO_ROOT_PASSWORD: secretKey, MINIO_BROWSER: 'off', ...env },
    bucket,
    accessKey,
    secretKey,
    caFile: tls?.caFile,
  });
}

/** Gives the server a named policy (MinIO's admin API), for identities to be held to. */
export async function addPolicy({ owner }: S3Server, name: string, policy: string): Promise<void> {
  const path = { bucketName: 'minio', objectName: 'admin/v3/add-canned-policy', query: `name=${name}` };
  await owner.makeRequestAsyncOmit({ method: 'PUT', ...path }, policy, [200], 'us-east-1');
}
