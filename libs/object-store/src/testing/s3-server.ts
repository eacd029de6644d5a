import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import * as https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'minio';
import { freePort } from './free-port.js';

/** A real S3 server on a free port of this machine, for tests; `stop` removes its data. */
export interface S3Server {
  readonly options: S3ServerOptions;
  readonly pid: number;
  /** The client of the server's owner, for what only an owner may do. */
  readonly owner: Client;
  stop(): Promise<void>;
}

/** What opens the server's bucket as its owner; `openS3Store` takes it. */
export interface S3ServerOptions {
  endpoint: string;
  bucket: string;
  accessKey: string;
  secretKey: string;
  caFile?: string;
}

export interface ServerCommand {
  /** Name of the binary in `.cache/tools/bin`, which `tools/BINARY.sh` builds. */
  binary: string;
  /** Folders to make inside the server's own. */
  folders?: readonly string[];
  args: (place: { folder: string; port: number }) => string[];
  env: Record<string, string>;
  bucket: string;
  accessKey: string;
  secretKey: string;
  /** The authority of the server's certificate; without one it talks in clear. */
  caFile?: string | undefined;
}

/** Starts a server with one empty bucket. @throws Error when the binary is not built. */
export async function startS3Server(command: ServerCommand): Promise<S3Server> {
  const { binary, bucket, accessKey, secretKey, caFile } = command;
  const path = fileURLToPath(new URL(`../../../../.cache/tools/bin/${binary}`, import.meta.url));
  if (!existsSync(path)) throw new Error(`${path} is missing: run tools/${binary}.sh`);
  const folder = await mkdtemp(join(tmpdir(), `medformer-${binary}-`));
  for (const name of command.folders ?? []) await mkdir(join(folder, name));
  const port = await freePort();
  const server = spawn(path, command.args({ folder, port }), {
    env: { ...process.env, ...command.env },
    stdio: 'ignore',
  });
  const owner = new Client({
    endPoint: '127.0.0.1',
    port,
    useSSL: caFile !== undefined,
    accessKey,
    secretKey,
    ...(caFile ? { transportAgent: new https.Agent({ ca: await readFile(caFile) }) } : {}),
    // While the server starts it answers 503; the loop below asks again without a word on the console.
    retryOptions: { disableRetry: true },
  });
  await makeBucket(owner, bucket, server);
  const endpoint = `${caFile ? 'https' : 'http'}://127.0.0.1:${port}`;
  return {
    options: { endpoint, bucket, accessKey, secretKey, ...(caFile ? { caFile } : {}) },
    pid: server.pid!,
    owner,
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
