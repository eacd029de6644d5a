import * as http from 'node:http';
import * as https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { MedformerError } from '@medformer/schema';
import { type BucketItem, Client, S3Error } from 'minio';
import { checkKey, checkPrefix, checkSize } from './key.js';
import type { GetOptions, ObjectInfo, ObjectStore } from './object-store.js';

export interface S3StoreOptions {
  /** e.g. `http://127.0.0.1:9000`; the scheme decides about TLS. */
  endpoint: string;
  bucket: string;
  region?: string;
  accessKey: string;
  secretKey: string;
  /** How long one request may take before it counts as failed. */
  requestTimeoutMs?: number;
}

const ATTEMPTS = 4;
const FIRST_RETRY_MS = 100;

/**
 * A bucket of any S3-compatible server that honours `If-None-Match: *` on PUT. Only single PUTs are used: the
 * client library's multipart upload numbers resumed parts wrongly. Requests that fail without an answer are repeated; all are idempotent,
 * except that a repeated `ifAbsent` put may report its own first attempt as `exists`, which content-addressed keys make harmless.
 */
export function openS3Store(options: S3StoreOptions): ObjectStore {
  return new S3Store(options);
}

class S3Store implements ObjectStore {
  private readonly client: Client;
  private readonly bucket: string;
  private readonly timeoutMs: number;

  constructor(options: S3StoreOptions) {
    const endpoint = new URL(options.endpoint);
    const useSSL = endpoint.protocol === 'https:';
    this.bucket = options.bucket;
    this.timeoutMs = options.requestTimeoutMs ?? 60_000;
    this.client = new Client({
      endPoint: endpoint.hostname,
      port: endpoint.port ? Number(endpoint.port) : useSSL ? 443 : 80,
      useSSL,
      region: options.region ?? 'us-east-1',
      accessKey: options.accessKey,
      secretKey: options.secretKey,
      transportAgent: useSSL
        ? new https.Agent({ keepAlive: true, maxSockets: 32 })
        : new http.Agent({ keepAlive: true, maxSockets: 32 }),
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
    const headers: Record<string, string> = {
      'content-type': options?.contentType ?? 'application/octet-stream',
    };
    if (options?.ifAbsent) headers['if-none-match'] = '*';
    try {
      await this.request(key, () => this.client.putObject(this.bucket, key, body, body.length, headers));
      return 'created';
    } catch (error) {
      if (options?.ifAbsent && s3Code(error) === 'PreconditionFailed') return 'exists';
      throw error;
    }
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
    const stream = this.client.listObjectsV2(this.bucket, prefix, true);
    try {
      for await (const item of stream as AsyncIterable<BucketItem>) {
        if (item.name === undefined) continue;
        yield { key: item.name, bytes: item.size, lastModified: item.lastModified };
      }
    } catch (error) {
      throw storeError(error, prefix);
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

  private async request<Answer>(key: string, send: () => Promise<Answer>): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.attempt(key, send);
      } catch (error) {
        const again = error instanceof MedformerError && ['UNAVAILABLE', 'ABORTED'].includes(error.code);
        if (!again || attempt === ATTEMPTS) throw error;
        await sleep(FIRST_RETRY_MS * 2 ** (attempt - 1) * (0.5 + Math.random()));
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
      throw storeError(error, key);
    } finally {
      timeout.abort();
    }
  }
}

/** Failures the server answered with; what it did not answer at all is UNAVAILABLE. */
function storeError(error: unknown, key: string): MedformerError {
  if (error instanceof MedformerError) return error;
  const options = { cause: error };
  if (!(error instanceof S3Error)) {
    return new MedformerError('UNAVAILABLE', 'the object store does not answer', options);
  }
  switch (error.code) {
    case 'NoSuchKey':
    case 'NotFound':
      return new MedformerError('NOT_FOUND', `object ${key} does not exist`, options);
    case 'PreconditionFailed':
      return new MedformerError('ALREADY_EXISTS', `object ${key} exists`, options);
    case 'ConditionalRequestConflict':
      return new MedformerError('ABORTED', `object ${key} is being written by another`, options);
    case 'AccessDenied':
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
      return new MedformerError(
        'PERMISSION_DENIED',
        `the object store refused the credentials (${error.code})`,
        options,
      );
    case 'NoSuchBucket':
      return new MedformerError('FAILED_PRECONDITION', 'the bucket does not exist', options);
    default:
      return new MedformerError('UNAVAILABLE', `object ${key}: the store failed (${error.code})`, options);
  }
}

function s3Code(error: unknown): string | undefined {
  return error instanceof MedformerError && error.cause instanceof S3Error ? error.cause.code : undefined;
}
