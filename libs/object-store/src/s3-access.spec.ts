import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import * as http from 'node:http';
import * as https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openS3Store, type S3StoreOptions } from './s3-store.js';
import { issue, type KeyAndCertificate, makeAuthority, writeFiles } from './testing/certificates.js';
import { type IdentityProvider, startIdentityProvider } from './testing/identity-provider.js';
import { startMinio } from './testing/minio-server.js';
import type { S3Server } from './testing/s3-server.js';

let folder: string;
let authority: KeyAndCertificate;
let provider: IdentityProvider;
let minio: S3Server;
/** The bucket and how it is reached, without credentials. */
let place: Pick<S3StoreOptions, 'endpoint' | 'bucket' | 'caFile'>;
let keys: { accessKey: string; secretKey: string };
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medformer-s3-access-'));
  authority = await makeAuthority();
  const server = await issue(authority, 'localhost');
  await writeFiles({
    [at('ca.crt')]: authority.cert,
    [at('tls/public.crt')]: server.cert,
    [at('tls/private.key')]: server.key,
  });
  provider = await startIdentityProvider('medformer');
  minio = await startMinio({
    tls: { folder: at('tls'), caFile: at('ca.crt') },
    env: {
      MINIO_KMS_SECRET_KEY: `medformer:${Buffer.alloc(32, 7).toString('base64')}`,
      MINIO_IDENTITY_OPENID_CONFIG_URL: provider.configUrl,
      MINIO_IDENTITY_OPENID_CLIENT_ID: 'medformer',
      MINIO_IDENTITY_OPENID_CLAIM_NAME: 'policy',
    },
  });
  const { accessKey, secretKey, ...rest } = minio.options;
  keys = { accessKey, secretKey };
  place = rest;
}, 60_000);
afterAll(async () => {
  await minio?.stop();
  await provider?.stop();
  await rm(folder, { recursive: true });
});

describe('TLS of an S3 store', () => {
  it('trusts the authority of the file and no other', async () => {
    await openS3Store({ ...place, ...keys }).put('tls/x', Buffer.from('x'));
    await writeFiles({ [at('other.crt')]: (await makeAuthority()).cert });
    for (const caFile of [undefined, at('other.crt')]) {
      await expect(openS3Store({ ...place, ...keys, caFile }).get('tls/x')).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringMatching(/^no TLS connection to the object store \([A-Z_]+\)$/),
      });
    }
  });

  it('shows a client certificate, and a new one after its files changed', async () => {
    const seen: string[] = [];
    const endpoint = await startMutualTls(seen);
    const files = { clientCertFile: at('client.crt'), clientKeyFile: at('client.key') };
    const renew = async (name: string) => {
      const { cert, key } = await issue(authority, name);
      await writeFiles({ [files.clientCertFile]: cert, [files.clientKeyFile]: key });
      return new X509Certificate(cert).serialNumber;
    };
    const first = await renew('first');
    const store = openS3Store({ ...place, ...keys, ...files, endpoint });
    await store.put('tls/mutual', Buffer.from('x'));
    const second = await renew('second');
    expect((await store.get('tls/mutual')).toString()).toBe('x');
    // The proxy ends each connection, so that the next request opens another.
    expect([...new Set(seen)]).toEqual([first, second]);

    await expect(openS3Store({ ...place, ...keys, endpoint }).get('tls/mutual')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
  });

  it.each([
    [{ clientCertFile: 'tls/public.crt' }, 'a client certificate and its key go together'],
    [{ caFile: 'missing.crt' }, 'cannot be read (ENOENT)'],
    [{ caFile: 'no.pem' }, 'expected PEM'],
    [{ clientCertFile: 'tls/public.crt', clientKeyFile: 'ca.crt' }, 'not a certificate with its key in PEM'],
    [{ caFile: 'ca.crt', endpoint: 'http://127.0.0.1:9' }, 'need an endpoint with https:'],
  ])('refuses %j, naming what is wrong', async (wrong, message) => {
    await writeFiles({ [at('no.pem')]: 'nothing' });
    const options = Object.fromEntries(
      Object.entries(wrong).map(([name, value]) => [name, name === 'endpoint' ? value : at(value)]),
    );
    expect(() => openS3Store({ ...place, ...keys, ...options })).toThrowError(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(message) }),
    );
  });
});

describe('server-side encryption of an S3 store', () => {
  it.each([
    [{}, undefined, undefined],
    [{ encryption: 'AES256' }, 'AES256', undefined],
    [{ encryption: 'aws:kms' }, 'aws:kms', 'arn:aws:kms:medformer'],
    [{ encryption: 'aws:kms', kmsKey: 'medformer' }, 'aws:kms', 'arn:aws:kms:medformer'],
  ] as const)(
    'asked for by %j is what the server did, and reading needs nothing',
    async (asked, kind, key) => {
      const store = openS3Store({ ...place, ...keys, ...asked });
      await store.put('sse/object', Buffer.from('a secret of nobody'));
      const name = `sse/${sseName(asked)}`;
      await store.put(name, Buffer.from('once'), { ifAbsent: true });
      for (const written of ['sse/object', name]) {
        const { metaData } = await minio.owner.statObject(place.bucket, written);
        expect(metaData['x-amz-server-side-encryption']).toBe(kind);
        expect(metaData['x-amz-server-side-encryption-aws-kms-key-id']).toBe(key);
      }
      expect((await openS3Store({ ...place, ...keys }).get('sse/object')).toString()).toBe(
        'a secret of nobody',
      );
      expect((await store.get('sse/object', { range: { from: 2, length: 6 } })).toString()).toBe('secret');
    },
  );

  it('with a key that the server does not know fails at once and writes nothing', async () => {
    const store = openS3Store({ ...place, ...keys, encryption: 'aws:kms', kmsKey: 'unknown' });
    await expect(store.put('sse/nothing', Buffer.from('x'))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: "the store's key management refused (kms:KeyNotFound)",
    });
    expect(await store.head('sse/nothing')).toBeUndefined();
  });

  it('refuses a key without the encryption it is for', () => {
    expect(() => openS3Store({ ...place, ...keys, encryption: 'AES256', kmsKey: 'medformer' })).toThrowError(
      'a KMS key goes with the encryption aws:kms',
    );
  });
});

describe('credentials of an S3 store', () => {
  it('in a folder are read again when they change', async () => {
    const credentialsFolder = at('credentials');
    await writeFiles({ [join(credentialsFolder, 'accessKey')]: `${keys.accessKey}\n` });
    const store = openS3Store({ ...place, credentialsFolder });
    await expect(store.get('credentials/x')).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('secretKey: cannot be read (ENOENT)'),
    });
    await writeFiles({ [join(credentialsFolder, 'secretKey')]: 'of-yesterday' });
    await expect(store.put('credentials/x', Buffer.from('x'))).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    });
    await writeFiles({ [join(credentialsFolder, 'secretKey')]: keys.secretKey });
    await expect
      .poll(() => store.put('credentials/x', Buffer.from('x')).catch(() => 'refused'), { timeout: 20_000 })
      .toBe('created');
  });

  it('in a folder are read again at once when a listing is refused', async () => {
    const credentialsFolder = at('replaced');
    await writeFiles({
      [join(credentialsFolder, 'accessKey')]: keys.accessKey,
      [join(credentialsFolder, 'secretKey')]: 'of-yesterday',
    });
    const store = openS3Store({ ...place, credentialsFolder });
    const listed = async () => {
      for await (const { key } of store.list('nothing/')) throw new Error(key);
      return 'listed';
    };
    await expect(listed()).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    await writeFiles({ [join(credentialsFolder, 'secretKey')]: keys.secretKey });
    // Keys that are a moment old are not asked for again; by themselves these would last ten seconds.
    await sleep(1100);
    expect(await listed()).toBe('listed');
  });

  it('for an identity token come of the token service, for what the token may do', async () => {
    const webIdentityTokenFile = at('token');
    await writeFiles({ [webIdentityTokenFile]: await provider.token('medformer', { policy: 'readonly' }) });
    await openS3Store({ ...place, ...keys }).put('identity/x', Buffer.from('x'));
    const store = openS3Store({ ...place, webIdentityTokenFile });
    expect((await store.get('identity/x')).toString()).toBe('x');
    await expect(store.put('identity/y', Buffer.from('y'))).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      message: expect.stringContaining('identity/y'),
    });
    await writeFiles({ [webIdentityTokenFile]: await provider.token('medformer', { policy: 'readwrite' }) });
    await expect
      .poll(() => store.put('identity/y', Buffer.from('y')).catch(() => 'refused'), { timeout: 20_000 })
      .toBe('created');
    // A session's URL is signed with the session's keys, and carries its token.
    const url = new URL((await store.presignPut?.('identity/z', 60)) ?? '');
    expect(url.searchParams.has('X-Amz-Security-Token')).toBe(true);
    const ca = authority.cert;
    const put = https.request(url, { method: 'PUT', ca, headers: { 'content-length': 1 } }).end('z');
    const [answer] = (await once(put, 'response')) as [http.IncomingMessage];
    expect(answer.statusCode).toBe(200);
  });

  it('for a token that has ended are refused, and no error holds a secret', async () => {
    const token = await provider.token('medformer', { policy: 'readwrite' }, -10);
    await writeFiles({ [at('ended')]: token });
    const refusals = await Promise.all([
      failureOf(openS3Store({ ...place, webIdentityTokenFile: at('ended') }).get('x')),
      failureOf(openS3Store({ ...place, webIdentityTokenFile: at('no-such-token') }).get('x')),
      failureOf(openS3Store({ ...place, ...keys, secretKey: 'a-wrong-secret' }).put('x', Buffer.from('x'))),
      failureOf(openS3Store({ ...place, ...keys, caFile: undefined }).get('x')),
    ]);
    expect(refusals.map(({ code }) => code)).toEqual([
      'PERMISSION_DENIED',
      'FAILED_PRECONDITION',
      'PERMISSION_DENIED',
      'UNAVAILABLE',
    ]);
    for (const refusal of refusals) {
      const all = inspect(refusal, { depth: 12, showHidden: true });
      for (const secret of [token, keys.secretKey, 'a-wrong-secret']) expect(all).not.toContain(secret);
    }
  });

  it.each([
    [{}, 'none'],
    [{ accessKey: 'x' }, 'one key without the other'],
    [{ accessKey: 'x', secretKey: 'y', credentialsFolder: '/z' }, 'several'],
  ])('are refused as %j', (credentials, found) => {
    expect(() => openS3Store({ ...place, ...credentials })).toThrowError(`found ${found}`);
  });
});

describe('a bucket with versions and the lifecycle of docs/object-store', () => {
  it('takes the lifecycle, and writes again what was deleted, once', async () => {
    const bucket = 'versions';
    await minio.owner.makeBucket(bucket);
    await minio.owner.setBucketVersioning(bucket, { Status: 'Enabled' });
    const document = new URL('../../../docs/object-store/lifecycle.json', import.meta.url);
    const { Rules } = JSON.parse(await readFile(document, 'utf8'));
    await minio.owner.setBucketLifecycle(bucket, { Rule: Rules });
    expect(await minio.owner.getBucketLifecycle(bucket)).toMatchObject({
      Rule: Rules.map(({ ID }: { ID: string }) => ({ ID, Status: 'Enabled' })),
    });

    const store = openS3Store({ ...place, ...keys, bucket });
    const put = (text: string) => store.put('claims/x', Buffer.from(text), { ifAbsent: true });
    expect(await put('first')).toBe('created');
    await store.delete('claims/x');
    expect(await store.head('claims/x')).toBeUndefined();
    expect(await put('second')).toBe('created');
    expect(await put('third')).toBe('exists');
    expect((await store.get('claims/x')).toString()).toBe('second');
  });
});

describe('a server that ignores If-None-Match', () => {
  it('is found out before a conditional write, whose object it never gets', async () => {
    const received: string[] = [];
    const server = http
      .createServer((request, response) => {
        received.push(`${request.method} ${request.url}`);
        request.resume().on('end', () => response.writeHead(200, { etag: '"x"' }).end());
      })
      .listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const store = openS3Store({ endpoint, bucket: 'bucket', ...keys });
    await expect(store.put('claim', Buffer.from('x'), { ifAbsent: true })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('ignores If-None-Match'),
    });
    expect(received).toEqual(Array(2).fill('PUT /bucket/probes/if-none-match'));
    expect(await store.put('plain', Buffer.from('x'))).toBe('created');
  });
});

/** A proxy before MinIO that wants a certificate of the authority; each connection serves one request. */
async function startMutualTls(serials: string[]): Promise<string> {
  const { cert, key } = await issue(authority, 'localhost');
  const tls = { cert, key, ca: authority.cert, requestCert: true, rejectUnauthorized: true };
  const target = new URL(place.endpoint);
  const proxy = https
    .createServer(tls, (request, response) => {
      serials.push((request.socket as TLSSocket).getPeerX509Certificate()?.serialNumber ?? 'none');
      const { method, url, headers } = request;
      const { hostname, port } = target;
      const forward = https.request({ hostname, port, method, path: url, headers, ca: authority.cert });
      forward.on('response', (answer) => {
        response.writeHead(answer.statusCode!, { ...answer.headers, connection: 'close' });
        answer.pipe(response);
      });
      request.pipe(forward);
    })
    .listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestFinished(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  return `https://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

async function failureOf(operation: Promise<unknown>): Promise<{ code: string }> {
  return operation.then(
    () => {
      throw new Error('it succeeded');
    },
    (thrown) => thrown,
  );
}

const sseName = (asked: object) => Object.values(asked).join('-').replaceAll(':', '-') || 'none';
