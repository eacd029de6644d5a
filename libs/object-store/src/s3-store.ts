import { setTimeout as sleep } from 'node:timers/promises';
import { MedformerError } from '@medformer/schema';
import { type BucketItem, Client, type ClientOptions } from 'minio';
import { checkKey, checkPrefix, checkSize } from './key.js';
import type { GetOptions, ObjectInfo, ObjectStore } from './object-store.js';
import { type S3Credentials, type S3CredentialsConfig, s3Credentials } from './s3-credentials.js';
import { s3Code, s3Failure } from './s3-errors.js';
import { type S3TlsFiles, s3Agent } from './s3-tls.js';

/** How the server encrypts what it keeps: with keys of its own (SSE-S3), or with one of its key management (SSE-KMS). */
export const STORE_ENCRYPTIONS = ['AES256', 'aws:kms'] as const;

/** How an S3 store is reached, by whom, and what it does with the bytes. */
export interface S3AccessOptions extends S3CredentialsConfig, S3TlsFiles {
  /** Asked for with every PUT; when absent the bucket's own default holds. */
  encryption?: (typeof STORE_ENCRYPTIONS)[number] | undefined;
  /** With `aws:kms`: id of the key; the server's default one when absent. */
  kmsKey?: string | undefined;
}

export interface S3StoreOptions extends S3AccessOptions {
  /** e.g. `http://127.0.0.1:9000`; the scheme decides about TLS. */
  endpoint: string;
  bucket: string;
  region?: string;
  /** How long one request may take before it counts as failed. */
  requestTimeoutMs?: number;
}

const ATTEMPTS = 4;
const FIRST_RETRY_MS = 100;
/** Empty; every process that writes with `ifAbsent` once asks for it to be made a second time. */
const PROBE = 'probes/if-none-match';

/**
 * A bucket of any S3-compatible server that honours `If-None-Match: *` on PUT; one that does not is found out by the
 * first `ifAbsent` put, which fails then. Only single PUTs are used: the client library's multipart upload numbers resumed
 * parts wrongly. Requests that fail without an answer are repeated; all are idempotent, except that a repeated `ifAbsent`
 * put may report its own first attempt as `exists`, which content-addressed keys make harmless.
 * @throws MedformerError INVALID_ARGUMENT for options that contradict each other, naming them.
 */
export function openS3Store(options: S3StoreOptions): ObjectStore {
  return new S3Store(options);
}

class S3Store implements ObjectStore {
  private readonly client: Client;
  private readonly bucket: string;
  private readonly timeoutMs: number;
  private readonly credentials: S3Credentials;
  private readonly encryption: Record<string, string>;
  private conditionsHold: Promise<void> | undefined;

  constructor(options: S3StoreOptions) {
    const endpoint = new URL(options.endpoint);
    const useSSL = endpoint.protocol === 'https:';
    const transportAgent = s3Agent(endpoint.protocol, options);
    this.credentials = s3Credentials(options, options.endpoint, transportAgent);
    this.encryption = encryptionHeaders(options);
    this.bucket = options.bucket;
    this.timeoutMs = options.requestTimeoutMs ?? 60_000;
    this.client = new Client({
      endPoint: endpoint.hostname,
      port: endpoint.port ? Number(endpoint.port) : useSSL ? 443 : 80,
      useSSL,
      region: options.region ?? 'us-east-1',
      credentialsProvider: providerOf(this.credentials),
      transportAgent,
      // The library prints its retries to the console and never repeats a broken connection.
      retryOptions: { disableRetry: true },
    });
  }

  async put(
    key: string,
    bytes: Uint8Array,
    options?: { ifAbsent?: boolean; contentType?: string },
  ): Promise<'created' | 'exists'> {
    checkKey(key);
    checkSize(key, bytes);
    const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const type = options?.contentType ?? 'application/octet-stream';
    if (options?.ifAbsent) {
      await this.checkConditions();
      return await this.putIfAbsent(key, body, type);
    }
    await this.send(key, body, { 'content-type': type });
    return 'created';
  }

  async get(key: string, options?: GetOptions): Promise<Buffer> {
    checkKey(key);
    const { signal, range } = options ?? {};
    const whole = this.request(key, async () => {
      if (signal?.aborted) throw new MedformerError('CANCELLED', `reading ${key} was cancelled`);
      const stream = range
        ? await this.client.getPartialObject(this.bucket, key, range.from, range.length)
        : await this.client.getObject(this.bucket, key);
      const stop = () => stream.destroy(new MedformerError('CANCELLED', `reading ${key} was cancelled`));
      signal?.addEventListener('abort', stop);
      const timer = setTimeout(() => stream.destroy(new Error('timed out')), this.timeoutMs);
      try {
        if (signal?.aborted) stop();
        const chunks: Buffer[] = [];
        for await (const chunk of stream) chunks.push(chunk as Buffer);
        return Buffer.concat(chunks);
      } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', stop);
      }
    });
    return whole.catch((error) => {
      // Of a range that begins behind the last byte there is nothing.
      if (range && s3Code(error) === 'InvalidRange') return Buffer.alloc(0);
      throw error;
    });
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    checkKey(key);
    try {
      const found = await this.request(key, () => this.client.statObject(this.bucket, key));
      return { key, bytes: found.size, lastModified: found.lastModified };
    } catch (error) {
      if (error instanceof MedformerError && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    checkPrefix(prefix);
    let last = '';
    const attempts = new Attempts(this.credentials);
    for (;;) {
      // After a failure it goes on behind what was told already.
      const stream = this.client.listObjectsV2(this.bucket, prefix, true, last);
      try {
        for await (const item of stream as AsyncIterable<BucketItem>) {
          if (item.name === undefined) continue;
          yield { key: item.name, bytes: item.size, lastModified: item.lastModified };
          last = item.name;
          attempts.advanced();
        }
        return;
      } catch (error) {
        await attempts.next(s3Failure(error, prefix));
      }
    }
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    await this.request(key, () => this.client.removeObject(this.bucket, key));
  }

  async ping(): Promise<void> {
    const exists = await this.attempt('', () => this.client.bucketExists(this.bucket)).catch((cause) => {
      throw new MedformerError('UNAVAILABLE', 'the object store does not answer', { cause });
    });
    if (!exists) throw new MedformerError('UNAVAILABLE', `bucket ${this.bucket} does not exist`);
  }

  async presignPut(key: string, seconds: number): Promise<string> {
    checkKey(key);
    return this.client.presignedPutObject(this.bucket, key, seconds);
  }

  /** A server that ignores the condition lets two writers win, which no check afterwards could mend. */
  private checkConditions(): Promise<void> {
    this.conditionsHold ??= (async () => {
      const probe = () => this.putIfAbsent(PROBE, Buffer.alloc(0), 'application/octet-stream');
      if ((await probe()) === 'exists' || (await probe()) === 'exists') return;
      throw new MedformerError(
        'FAILED_PRECONDITION',
        'the object store ignores If-None-Match on PUT: of two writers both would win; use a server that honours it',
      );
    })().catch((thrown) => {
      this.conditionsHold = undefined;
      throw thrown;
    });
    return this.conditionsHold;
  }

  private async putIfAbsent(key: string, body: Buffer, type: string): Promise<'created' | 'exists'> {
    try {
      await this.send(key, body, { 'content-type': type, 'if-none-match': '*' });
      return 'created';
    } catch (error) {
      if (s3Code(error) === 'PreconditionFailed') return 'exists';
      throw error;
    }
  }

  private async send(key: string, body: Buffer, headers: Record<string, string>): Promise<void> {
    await this.request(key, () =>
      this.client.putObject(this.bucket, key, body, body.length, { ...headers, ...this.encryption }),
    );
  }

  private async request<Answer>(key: string, send: () => Promise<Answer>): Promise<Answer> {
    const attempts = new Attempts(this.credentials);
    for (;;) {
      try {
        return await this.attempt(key, send);
      } catch (error) {
        await attempts.next(s3Failure(error, key));
      }
    }
  }

  private async attempt<Answer>(key: string, send: () => Promise<Answer>): Promise<Answer> {
    const timeout = new AbortController();
    const late = sleep(this.timeoutMs, undefined, { signal: timeout.signal, ref: false }).then(() => {
      throw new MedformerError('UNAVAILABLE', `object ${key}: no answer in ${this.timeoutMs} ms`);
    });
    late.catch(() => undefined);
    try {
      return await Promise.race([send(), late]);
    } catch (error) {
      throw s3Failure(error, key);
    } finally {
      timeout.abort();
    }
  }
}

/** What failed in a row of one request or listing. */
class Attempts {
  private failed = 0;
  private withOthers = false;

  constructor(private readonly credentials: S3Credentials) {}

  advanced(): void {
    this.failed = 0;
  }

  /** Resolves when it is time for the next one. @throws the failure, when there shall be none. */
  async next(failure: MedformerError): Promise<void> {
    this.failed += 1;
    const refused = failure.code === 'PERMISSION_DENIED';
    if (refused && !this.withOthers && (await this.credentials.haveChanged())) {
      this.withOthers = true;
      return;
    }
    if (!['UNAVAILABLE', 'ABORTED'].includes(failure.code) || this.failed >= ATTEMPTS) throw failure;
    // Longer after each, and not of one length for all who failed at once.
    await sleep(FIRST_RETRY_MS * 2 ** (this.failed - 1) * (0.5 + Math.random()));
  }
}

/** The client library wants a class of its own and calls but this. */
function providerOf(credentials: S3Credentials): NonNullable<ClientOptions['credentialsProvider']> {
  const provider = {
    getCredentials: async () => {
      const { accessKey, secretKey, sessionToken } = await credentials.get();
      return {
        getAccessKey: () => accessKey,
        getSecretKey: () => secretKey,
        getSessionToken: () => sessionToken,
      };
    },
  };
  return provider as unknown as NonNullable<ClientOptions['credentialsProvider']>;
}

function encryptionHeaders({ encryption, kmsKey }: S3AccessOptions): Record<string, string> {
  if (kmsKey && encryption !== 'aws:kms') {
    throw new MedformerError('INVALID_ARGUMENT', 'object store: a KMS key goes with the encryption aws:kms');
  }
  return {
    ...(encryption ? { 'x-amz-server-side-encryption': encryption } : {}),
    ...(kmsKey ? { 'x-amz-server-side-encryption-aws-kms-key-id': kmsKey } : {}),
  };
}
