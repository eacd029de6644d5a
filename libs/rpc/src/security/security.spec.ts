import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { AugmentationServiceClient } from '@medformer/gen/augmentation';
import { EncoderServiceClient } from '@medformer/gen/encoder';
import { issue, makeAuthority, writeFiles } from '@medformer/object-store/testing/certificates';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  connect,
  encodeRequest,
  handlers,
  startTestService,
  stopTestServices,
  viewOf,
  viewsRequest,
} from '../../spec/test-service.js';
import { baseConfig } from '../base-config.js';

type KeyAndCertificate = Awaited<ReturnType<typeof issue>>;

let folder: string;
let authority: KeyAndCertificate;
let server: KeyAndCertificate;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medformer-security-'));
  authority = await makeAuthority();
  server = await issue(authority, 'localhost');
  await writeFiles({
    [at('ca.crt')]: authority.cert,
    [at('tls.crt')]: server.cert,
    [at('tls.key')]: server.key,
  });
});
afterEach(async () => {
  handlers.encode = async () => [1];
  await stopTestServices();
});
afterAll(() => rm(folder, { recursive: true }));

const tls = () => ({ tlsCertFile: at('tls.crt'), tlsKeyFile: at('tls.key') });
const channel = (client?: KeyAndCertificate, ca = authority) =>
  client
    ? credentials.createSsl(Buffer.from(ca.cert), Buffer.from(client.key), Buffer.from(client.cert))
    : credentials.createSsl(Buffer.from(ca.cert));
const bearer = (token: string) => {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  return metadata;
};
const sha256 = (token: string) => createHash('sha256').update(token).digest('hex');

interface Outcome {
  code: number;
  details: string;
  trailers: Metadata;
}
type Rpc = 'encode' | 'loadModel';
/** One call: how it ended. */
const call = (client: EncoderServiceClient, metadata = new Metadata(), rpc: Rpc = 'encode') =>
  new Promise<Outcome>((resolve) => {
    let trailers = new Metadata();
    const done = (error: ServiceError | null) =>
      setImmediate(() =>
        resolve({ code: error?.code ?? status.OK, details: error?.details ?? '', trailers }),
      );
    const under =
      rpc === 'encode'
        ? client.encode(encodeRequest, metadata, done)
        : client.loadModel({ checkpoint: 'sha256:abc', standby: false, alias: '' } as never, metadata, done);
    under.on('status', (end) => {
      trailers = end.metadata;
    });
  });
const until = async (condition: () => boolean | Promise<boolean>) => {
  while (!(await condition())) await sleep(20);
};

describe('a service with a certificate', () => {
  it('answers over TLS, on health and metrics ports in plain text', async () => {
    const { port, metricsPort, probePort } = await startTestService(tls());
    const client = connect(EncoderServiceClient, port, { channel: channel() });
    expect((await call(client)).code).toBe(status.OK);
    client.close();
    expect((await fetch(`http://127.0.0.1:${metricsPort}/readyz`)).status).toBe(200);
    const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    const seconds = /medformer_tls_certificate_expiry_timestamp_seconds\{listener="grpc"\} (\d+)/.exec(
      text,
    )![1];
    expect(Number(seconds)).toBeGreaterThan(Date.now() / 1000);
    const probe = connect(EncoderServiceClient, probePort!);
    expect((await call(probe)).code).toBe(status.UNIMPLEMENTED);
    probe.close();
    const plain = connect(EncoderServiceClient, port);
    expect((await call(plain)).code).toBe(status.UNAVAILABLE);
    plain.close();
  });

  it('speaks no TLS older than 1.2', async () => {
    const { port } = await startTestService(tls());
    const handshake = async (version: 'TLSv1.1' | 'TLSv1.2') => {
      const socket: TLSSocket = connectTls({
        port,
        host: 'localhost',
        ca: authority.cert,
        ALPNProtocols: ['h2'],
        minVersion: version,
        maxVersion: version,
        ciphers: 'DEFAULT@SECLEVEL=0',
      });
      try {
        await once(socket, 'secureConnect');
        return socket.getProtocol();
      } catch (error) {
        return (error as NodeJS.ErrnoException).code;
      } finally {
        socket.destroy();
      }
    };
    expect(await handshake('TLSv1.2')).toBe('TLSv1.2');
    expect(await handshake('TLSv1.1')).toMatch(/^ERR_SSL_|ECONNRESET/);
  });

  it('shows a rotated certificate to new connections and ends no call of old ones', async () => {
    const rotated = await mkdtemp(join(folder, 'rotated-'));
    const [certFile, keyFile] = [join(rotated, 'tls.crt'), join(rotated, 'tls.key')];
    await writeFiles({ [certFile]: server.cert, [keyFile]: server.key });
    const service = await startTestService({
      tlsCertFile: certFile,
      tlsKeyFile: keyFile,
      reloadIntervalMs: 50,
    });
    handlers.drawViews = async function* (_request, { signal }) {
      for (let index = 0; !signal.aborted; index += 1) {
        yield viewOf(String(index));
        await sleep(20);
      }
    };
    const client = connect(AugmentationServiceClient, service.port, { channel: channel() });
    const stream = client.drawViews(viewsRequest);
    stream.on('error', () => undefined);
    await once(stream, 'data');
    const otherAuthority = await makeAuthority();
    const other = await issue(otherAuthority, 'localhost');
    // Between the two writes the certificate has another's key: the service keeps what it had.
    await writeFiles({ [certFile]: other.cert });
    await until(() => service.logged.some(({ msg }) => String(msg).startsWith('cannot read changed files')));
    const before = connect(EncoderServiceClient, service.port, { channel: channel() });
    expect((await call(before)).code).toBe(status.OK);
    before.close();
    await writeFiles({ [keyFile]: other.key });
    await until(async () => {
      const after = connect(EncoderServiceClient, service.port, {
        channel: channel(undefined, otherAuthority),
      });
      const { code } = await call(after);
      after.close();
      return code === status.OK;
    });
    await once(stream, 'data');
    stream.cancel();
    client.close();
  });

  it('lets only callers in that show a certificate of its authority, and knows their names', async () => {
    const service = await startTestService({ ...tls(), tlsClientCaFile: at('ca.crt') });
    const names: string[] = [];
    handlers.encode = async (_request, context) => {
      names.push(context.caller);
      return [1];
    };
    const known = await issue(authority, 'viewer', { uri: 'spiffe://clinic/viewer' });
    const stranger = await issue(await makeAuthority(), 'viewer');
    const expired = await issue(authority, 'viewer', { notAfterDate: new Date(Date.now() - 3_600_000) });
    for (const [certificate, code] of [
      [known, status.OK],
      [stranger, status.UNAVAILABLE],
      [expired, status.UNAVAILABLE],
      [undefined, status.UNAVAILABLE],
    ] as const) {
      const client = connect(EncoderServiceClient, service.port, { channel: channel(certificate) });
      expect((await call(client)).code).toBe(code);
      client.close();
    }
    expect(names).toEqual(['certificate:spiffe://clinic/viewer']);
  });

  it.each([
    [{ tlsCertFile: 'none.crt', tlsKeyFile: 'tls.key' }, /none\.crt: cannot be read \(ENOENT\)/],
    [{ tlsCertFile: 'tls.key', tlsKeyFile: 'tls.crt' }, /not a certificate with its key/],
  ])('does not start with %o', async (files, message) => {
    const paths = Object.fromEntries(Object.entries(files).map(([key, name]) => [key, at(name)]));
    await expect(startTestService(paths)).rejects.toThrow(message);
  });
});

describe('settings', () => {
  it.each([
    [
      { host: '0.0.0.0' },
      'host',
      /0\.0\.0\.0 is reached by other machines: set tlsCertFile .* or allowInsecure/,
    ],
    [{ host: '::' }, 'host', /reached by other machines/],
    [{ tlsCertFile: 'a' }, 'tlsKeyFile', /is needed with tlsCertFile/],
    [{ tlsClientCaFile: 'a' }, 'tlsCertFile', /is needed with tlsClientCaFile/],
    [{ authJwksFile: 'a', authIssuer: 'i' }, 'authAudience', /is needed/],
    [{ authIssuer: 'i', authAudience: 'a' }, 'authJwksFile', /is needed/],
    [{ authJwksUrl: 'http://keys.example/', authIssuer: 'i', authAudience: 'a' }, 'authJwksUrl', /https/],
  ])('%o are refused', (settings, key, message) => {
    const { error } = baseConfig.safeParse(settings);
    expect(error?.issues).toMatchObject([{ path: [key], message: expect.stringMatching(message) }]);
  });

  it.each([
    { host: 'localhost' },
    { host: '::1' },
    { host: '0.0.0.0', allowInsecure: true },
    { host: '0.0.0.0', tlsCertFile: 'a', tlsKeyFile: 'b' },
  ])('%o are taken', (settings) => {
    expect(baseConfig.safeParse(settings).success).toBe(true);
  });

  it('that let everyone in are warned of where other machines call', async () => {
    const warnings = async (host: string) => {
      const { logged } = await startTestService({ host, allowInsecure: true });
      return logged.filter(({ level }) => level === 'warn').map(({ msg }) => msg);
    };
    expect(await warnings('0.0.0.0')).toEqual([expect.stringContaining('no callers are configured')]);
    expect(await warnings('127.0.0.1')).toEqual([]);
  });

  it('an address of IP version 6 is listened on', async () => {
    const { port } = await startTestService({ host: '::1' });
    const client = new EncoderServiceClient(`[::1]:${port}`, credentials.createInsecure());
    expect((await call(client)).code).toBe(status.OK);
    client.close();
  });
});

describe('a service that knows its callers', () => {
  const [reader, writer] = [randomBytes(24).toString('base64url'), randomBytes(24).toString('base64url')];
  const callers = (...more: object[]) =>
    JSON.stringify({
      callers: [
        { name: 'viewer', tokenSha256: sha256(reader), scopes: ['encoder:read'] },
        {
          name: 'deployer',
          tokenSha256: [sha256('another'), sha256(writer)],
          scopes: ['encoder:read', 'encoder:write'],
        },
        ...more,
      ],
    });
  let path: string;
  beforeAll(async () => {
    path = at('callers.yaml');
    await writeFiles({ [path]: callers() });
  });

  it('answers those with a token, by what they may do', async () => {
    const names: string[] = [];
    handlers.encode = async (_request, context) => {
      names.push(context.caller);
      return [1];
    };
    const { port } = await startTestService({ authTokensFile: path });
    const client = connect(EncoderServiceClient, port);
    const codes = async (metadata: Metadata) => [
      (await call(client, metadata)).code,
      (await call(client, metadata, 'loadModel')).code,
    ];
    expect(await codes(bearer(reader))).toEqual([status.OK, status.PERMISSION_DENIED]);
    expect(await codes(bearer(writer))).toEqual([status.OK, status.OK]);
    expect(await codes(new Metadata())).toEqual([status.UNAUTHENTICATED, status.UNAUTHENTICATED]);
    expect(await codes(bearer(`${reader}x`))).toEqual([status.UNAUTHENTICATED, status.UNAUTHENTICATED]);
    const basic = new Metadata();
    basic.set('authorization', `Basic ${reader}`);
    expect((await call(client, basic)).code).toBe(status.UNAUTHENTICATED);
    expect(names).toEqual(['viewer', 'deployer']);
    client.close();
  });

  it('says what is lacking and nothing of other callers', async () => {
    const { port, metricsPort } = await startTestService({ authTokensFile: path });
    const client = connect(EncoderServiceClient, port);
    const denied = await call(client, bearer(reader), 'loadModel');
    expect(denied.details).toBe('this rpc needs the scope encoder:write');
    expect(denied.trailers.get('x-trace-id')[0]).toMatch(/^[0-9a-f]{32}$/);
    expect((await call(client)).details).toBe('expected a bearer token or a certificate');
    expect((await call(client, bearer('guess'))).details).toBe('the token is not valid');
    const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    expect(text).toMatch(/medformer_calls_refused_total\{reason="missing_scope"\} [1-9]/);
    expect(text).toMatch(/grpc_server_handled_total\{[^}]*"LoadModel",grpc_code="PERMISSION_DENIED"\} [1-9]/);
    client.close();
  });

  it('refuses a stranger by its headers, before its message is read', async () => {
    const { port } = await startTestService({ authTokensFile: path });
    const client = connect(EncoderServiceClient, port);
    // Half a message: a call that waited for the rest would not be answered.
    const stream = client.makeClientStreamRequest(
      '/medformer.encoder.v1.EncoderService/Encode',
      () => Buffer.alloc(0),
      () => undefined,
      () => undefined,
    );
    stream.on('error', () => undefined);
    const [end] = await once(stream, 'status');
    expect(end.code).toBe(status.UNAUTHENTICATED);
    client.close();
  });

  it('tells everyone its health, and only callers its services', async () => {
    const { port } = await startTestService({ authTokensFile: path });
    const client = connect(EncoderServiceClient, port);
    const bytes = (value: Buffer) => value;
    const check = await new Promise<Buffer | undefined>((resolve) =>
      client.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        bytes,
        bytes,
        Buffer.alloc(0),
        (_error, answer) => resolve(answer),
      ),
    );
    expect(check).toEqual(Buffer.from([8, 1]));
    const reflect = async (metadata: Metadata) => {
      const stream = client.makeBidiStreamRequest(
        '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
        bytes,
        bytes,
        metadata,
      );
      stream.on('error', () => undefined).on('data', () => undefined);
      stream.end(Buffer.from([0x3a, 0]));
      return new Promise<number>((resolve) => stream.on('status', ({ code }) => resolve(code)));
    };
    expect(await reflect(new Metadata())).toBe(status.UNAUTHENTICATED);
    expect(await reflect(bearer(reader))).toBe(status.OK);
    client.close();
  });

  it('reads its callers again when their file changes, and keeps them when it cannot', async () => {
    const own = at('changing.yaml');
    await writeFiles({ [own]: callers() });
    const service = await startTestService({ authTokensFile: own, reloadIntervalMs: 50 });
    const client = connect(EncoderServiceClient, service.port);
    expect((await call(client, bearer('new'))).code).toBe(status.UNAUTHENTICATED);
    await writeFiles({
      [own]: callers({ name: 'new', tokenSha256: sha256('new'), scopes: ['encoder:read'] }),
    });
    await until(async () => (await call(client, bearer('new'))).code === status.OK);
    await writeFiles({ [own]: 'callers: [{' });
    await until(() => service.logged.some(({ msg }) => String(msg).startsWith('cannot read changed files')));
    expect((await call(client, bearer('new'))).code).toBe(status.OK);
    await writeFiles({ [own]: callers() });
    await until(async () => (await call(client, bearer('new'))).code === status.UNAUTHENTICATED);
    client.close();
  });

  it('knows callers by certificate, and does not fall back on it for a token that fails', async () => {
    const own = at('certificates.yaml');
    await writeFiles({
      [own]: callers({ name: 'gateway', certificate: 'spiffe://clinic/gateway', scopes: ['encoder:read'] }),
    });
    const service = await startTestService({ ...tls(), tlsClientCaFile: at('ca.crt'), authTokensFile: own });
    const gateway = await issue(authority, 'any', { uri: 'spiffe://clinic/gateway' });
    const client = connect(EncoderServiceClient, service.port, { channel: channel(gateway) });
    expect((await call(client)).code).toBe(status.OK);
    expect((await call(client, bearer('wrong'))).code).toBe(status.UNAUTHENTICATED);
    expect((await call(client, bearer(writer), 'loadModel')).code).toBe(status.OK);
    client.close();
    const unlisted = await issue(authority, 'unlisted');
    const other = connect(EncoderServiceClient, service.port, { channel: channel(unlisted) });
    expect((await call(other)).code).toBe(status.PERMISSION_DENIED);
    other.close();
  });

  it.each([
    [
      'callers: [{name: a, scopes: [encoder:read]}]',
      /callers\.0.*: expected tokenSha256, subject or certificate/,
    ],
    [`callers: [{name: a, tokenSha256: secret, scopes: []}]`, /callers\.0\.tokenSha256/],
    [`callers: [{name: a, subject: s, scopes: [encoder:all]}]`, /callers\.0\.scopes\.0/],
    [
      'callers: [{name: a, subject: s, scopes: []}, {name: a, subject: t, scopes: []}]',
      /two callers are named a/,
    ],
  ])('does not start with %s', async (text, message) => {
    await writeFiles({ [at('bad.yaml')]: text });
    const failed = await startTestService({ authTokensFile: at('bad.yaml') }).catch(
      (error: Error) => error.message,
    );
    expect(failed).toMatch(message);
    expect(failed).not.toContain('secret');
  });

  it('writes who changed or was refused what, and neither tokens nor reads', async () => {
    const auditFile = at('audit.jsonl');
    const { port } = await startTestService({ authTokensFile: path, auditFile });
    const client = connect(EncoderServiceClient, port);
    await call(client, bearer(reader));
    const changed = await call(client, bearer(writer), 'loadModel');
    await call(client, bearer(reader), 'loadModel');
    await call(client, bearer('a-guess'));
    client.close();
    await stopTestServices();
    const text = await readFile(auditFile, 'utf8');
    const rpc = '/medformer.encoder.v1.EncoderService/LoadModel';
    expect(
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      {
        caller: 'deployer',
        rpc,
        code: 'OK',
        trace_id: changed.trailers.get('x-trace-id')[0],
        resources: { checkpoint: 'sha256:abc' },
      },
      { caller: 'viewer', rpc, code: 'PERMISSION_DENIED', reason: 'missing_scope' },
      { caller: 'anonymous', code: 'UNAUTHENTICATED', reason: 'invalid_credentials' },
    ]);
    for (const token of [reader, writer, 'a-guess']) expect(text).not.toContain(token);
  });

  it('puts the audit among its lines when no file is named, whatever the log level', async () => {
    const { port, logged } = await startTestService({ authTokensFile: path });
    const client = connect(EncoderServiceClient, port);
    await call(client, bearer(writer), 'loadModel');
    await until(() => logged.some((line) => line.audit === true && line.caller === 'deployer'));
    client.close();
  });
});

describe('JSON Web Tokens', () => {
  const issuer = 'https://kubernetes.default.svc';
  const audience = 'medformer';
  const subject = 'system:serviceaccount:clinic:ui';
  const makeKey = async (kid: string, alg = 'ES256') => {
    const { privateKey, publicKey } = await generateKeyPair(alg);
    return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
  };
  type Key = Awaited<ReturnType<typeof makeKey>>;
  const sign = (key: Key, claims: Record<string, unknown> = {}) => {
    const now = Math.floor(Date.now() / 1000);
    const whole = { iss: issuer, aud: [audience], sub: subject, iat: now, exp: now + 600, ...claims };
    return new SignJWT(whole).setProtectedHeader({ alg: key.alg, kid: key.kid }).sign(key.privateKey);
  };
  const settings = () => ({ authJwksFile: at('jwks.json'), authIssuer: issuer, authAudience: audience });
  let key: Key;
  beforeAll(async () => {
    key = await makeKey('one', 'RS256');
    await writeFiles({
      [at('jwks.json')]: JSON.stringify({ keys: [key.jwk] }),
      [at('subjects.yaml')]: `callers: [{name: ui, subject: '${subject}', scopes: ['encoder:read']}]`,
    });
  });

  it('let in whom the file of callers lists by subject', async () => {
    const names: string[] = [];
    handlers.encode = async (_request, context) => {
      names.push(context.caller);
      return [1];
    };
    const { port } = await startTestService({ ...settings(), authTokensFile: at('subjects.yaml') });
    const client = connect(EncoderServiceClient, port);
    const token = bearer(await sign(key));
    expect((await call(client, token)).code).toBe(status.OK);
    expect((await call(client, token, 'loadModel')).code).toBe(status.PERMISSION_DENIED);
    const unlisted = bearer(await sign(key, { sub: 'someone' }));
    expect((await call(client, unlisted)).code).toBe(status.PERMISSION_DENIED);
    expect(names).toEqual(['ui']);
    client.close();
  });

  it('carry scopes of their own, in either claim', async () => {
    const { port } = await startTestService(settings());
    const client = connect(EncoderServiceClient, port);
    for (const claims of [{ scope: 'openid encoder:write' }, { scp: ['encoder:write'] }]) {
      const token = bearer(await sign(key, claims));
      expect((await call(client, token, 'loadModel')).code).toBe(status.OK);
      expect((await call(client, token)).code).toBe(status.PERMISSION_DENIED);
    }
    client.close();
  });

  it('are refused when anything about them is wrong, always in the same words', async () => {
    const { port } = await startTestService({ ...settings(), authTokensFile: at('subjects.yaml') });
    const client = connect(EncoderServiceClient, port);
    const now = Math.floor(Date.now() / 1000);
    const good = await sign(key);
    const [header, payload, signature] = good.split('.') as [string, string, string];
    const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
    const symmetric = new SignJWT({ iss: issuer, aud: audience, sub: subject, exp: now + 600 })
      .setProtectedHeader({ alg: 'HS256', kid: 'one' })
      .sign(Buffer.from(JSON.stringify(key.jwk)));
    const tokens = {
      'another issuer': sign(key, { iss: 'https://evil.example' }),
      'another audience': sign(key, { aud: 'other' }),
      expired: sign(key, { exp: now - 120 }),
      'not yet valid': sign(key, { nbf: now + 600 }),
      'no end': sign(key, { exp: undefined }),
      'no subject': sign(key, { sub: undefined }),
      'unknown key': sign(await makeKey('two')),
      'known key id, other key': sign({ ...(await makeKey('one', 'RS256')) }),
      unsigned: `${none}.${payload}.`,
      'symmetric, by the public key': symmetric,
      'a changed signature': `${header}.${payload}.${signature.replace(/^./, signature[0] === 'A' ? 'B' : 'A')}`,
      'no token': 'a.b.c',
    };
    for (const [why, token] of Object.entries(tokens)) {
      const { code, details } = await call(client, bearer(await token));
      expect([why, code, details]).toEqual([why, status.UNAUTHENTICATED, 'the token is not valid']);
    }
    expect((await call(client, bearer(good))).code).toBe(status.OK);
    client.close();
  });

  it('of a key that is withdrawn are refused at once', async () => {
    const own = at('own-jwks.json');
    await writeFiles({ [own]: JSON.stringify({ keys: [key.jwk] }) });
    const { port } = await startTestService({ ...settings(), authJwksFile: own, reloadIntervalMs: 50 });
    const client = connect(EncoderServiceClient, port);
    const token = bearer(await sign(key, { scope: 'encoder:read' }));
    for (let time = 0; time < 2; time += 1) expect((await call(client, token)).code).toBe(status.OK);
    await writeFiles({ [own]: JSON.stringify({ keys: [(await makeKey('next')).jwk] }) });
    await until(async () => (await call(client, token)).code === status.UNAUTHENTICATED);
    client.close();
  });

  it('are checked by keys that are fetched, once they can be', async () => {
    const jwks = JSON.stringify({ keys: [key.jwk] });
    let failing = true;
    const issuerServer = createServer((_request, response) => {
      response.writeHead(failing ? 503 : 200, { 'content-type': 'application/json' }).end(jwks);
    }).listen(0, '127.0.0.1');
    await once(issuerServer, 'listening');
    const authJwksUrl = `http://127.0.0.1:${(issuerServer.address() as AddressInfo).port}/keys`;
    const { port } = await startTestService({ authJwksUrl, authIssuer: issuer, authAudience: audience });
    const client = connect(EncoderServiceClient, port);
    const token = bearer(await sign(key, { scope: 'encoder:read' }));
    expect((await call(client, token)).code).toBe(status.UNAVAILABLE);
    failing = false;
    expect((await call(client, token)).code).toBe(status.OK);
    client.close();
    issuerServer.close();
  });
});

describe('a caller that asks for too much', () => {
  it('is told when to try again, and gets its rate', async () => {
    const { port, metricsPort } = await startTestService({ callerCallsPerSecond: 4, callerBurstCalls: 3 });
    const client = connect(EncoderServiceClient, port);
    const started = performance.now();
    const outcomes = await Promise.all(Array.from({ length: 40 }, () => call(client)));
    const elapsed = (performance.now() - started) / 1000;
    const passed = outcomes.filter(({ code }) => code === status.OK).length;
    expect(passed).toBeGreaterThanOrEqual(3);
    expect(passed).toBeLessThanOrEqual(3 + Math.ceil(4 * elapsed));
    const refused = outcomes.find(({ code }) => code !== status.OK)!;
    expect(refused).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: 'this caller may begin 4 calls per second',
    });
    const [details] = refused.trailers.get('grpc-status-details-bin') as [Buffer];
    expect(details.includes('type.googleapis.com/google.rpc.RetryInfo')).toBe(true);
    const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    expect(text).toMatch(/medformer_calls_refused_total\{reason="rate"\} [1-9]/);
    await until(async () => (await call(client)).code === status.OK);
    client.close();
  });

  it('has no more calls under way than it may, and another is not held up by it', async () => {
    const own = at('limits.yaml');
    await writeFiles({
      [own]: `callers:
  - {name: greedy, tokenSha256: ${sha256('greedy')}, scopes: ['encoder:read'], concurrentCalls: 2}
  - {name: modest, tokenSha256: ${sha256('modest')}, scopes: ['encoder:read']}`,
    });
    const { port } = await startTestService({ authTokensFile: own });
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let entered = 0;
    handlers.encode = async () => {
      entered += 1;
      await released;
      return [1];
    };
    const client = connect(EncoderServiceClient, port);
    const greedy = [call(client, bearer('greedy')), call(client, bearer('greedy'))];
    await until(() => entered === 2);
    expect(await call(client, bearer('greedy'))).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: '2 calls of this caller are under way',
    });
    const modest = call(client, bearer('modest'));
    await until(() => entered === 3);
    release();
    expect((await Promise.all([...greedy, modest])).map(({ code }) => code)).toEqual([0, 0, 0]);
    await until(async () => (await call(client, bearer('greedy'))).code === status.OK);
    client.close();
  });

  it('gets its calls back when it cancels them', async () => {
    const { port } = await startTestService({ callerConcurrentCalls: 1 });
    const client = connect(EncoderServiceClient, port);
    let enter = () => {};
    handlers.encode = async (_request, { signal }) => {
      enter();
      await once(signal, 'abort');
      throw signal.reason;
    };
    let cancel = () => {};
    const enters = () =>
      new Promise<boolean>((resolve) => {
        enter = () => resolve(true);
        const under = client.encode(encodeRequest, () => resolve(false));
        cancel = () => under.cancel();
      });
    for (let round = 0; round < 3; round += 1) {
      // The cancellation and the next call race to the server.
      await until(enters);
      cancel();
    }
    client.close();
  });
});
