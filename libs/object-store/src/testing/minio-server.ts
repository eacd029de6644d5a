import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'minio';
import type { S3StoreOptions } from '../s3-store.js';
import { freePort } from './free-port.js';

/** A real MinIO on a free port of this machine, for tests; `stop` removes its data. */
export interface MinioServer {
  readonly options: S3StoreOptions;
  readonly pid: number;
  stop(): Promise<void>;
}

const BINARY = fileURLToPath(new URL('../../../../.cache/tools/bin/minio', import.meta.url));

/** Starts MinIO with one empty bucket. @throws Error when the binary is not built (`tools/minio.sh`). */
export async function startMinio(bucket = 'medformer-test'): Promise<MinioServer> {
  if (!existsSync(BINARY)) throw new Error(`${BINARY} is missing: run tools/minio.sh`);
  const folder = await mkdtemp(join(tmpdir(), 'medformer-minio-'));
  const port = await freePort();
  const accessKey = 'medformer-test';
  const secretKey = 'medformer-test-secret';
  const server = spawn(BINARY, ['server', '--quiet', '--address', `127.0.0.1:${port}`, folder], {
    env: { ...process.env, MINIO_ROOT_USER: accessKey, MINIO_ROOT_PASSWORD: secretKey, MINIO_BROWSER: 'off' },
    stdio: 'ignore',
  });
  const client = new Client({
    endPoint: '127.0.0.1',
    port,
    useSSL: false,
    accessKey,
    secretKey,
    // While the server starts it answers 503; the loop below asks again without a word on the console.
    retryOptions: { disableRetry: true },
  });
  await makeBucket(client, bucket, server);
  return {
    options: { endpoint: `http://127.0.0.1:${port}`, bucket, accessKey, secretKey },
    pid: server.pid!,
    async stop() {
      if (server.exitCode === null && server.signalCode === null) {
        const exited = new Promise((resolve) => server.once('exit', resolve));
        server.kill('SIGKILL');
        await exited;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function makeBucket(client: Client, bucket: string, server: ChildProcess): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += 100) {
    try {
      await client.makeBucket(bucket, 'us-east-1');
      return;
    } catch (error) {
      if (server.exitCode !== null || waitedMs > 60_000) throw error;
      await sleep(100);
    }
  }
}
