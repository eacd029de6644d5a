import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issue, makeAuthority } from '@medformer/object-store/testing/certificates';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { medformer, medformerJson } from './harness/medformer.js';
import { ROOT, type Services, startStandalone } from './harness/services.js';

let folder: string;
let services: Services;
/** What the command needs to reach the services; who calls is told beside it. */
let tls: Record<string, string>;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medformer-security-'));
  const authority = await makeAuthority();
  const server = await issue(authority, 'server', { dns: 'medformer.clinic' });
  const client = await issue(authority, 'workstation');
  const tokens = { reader: randomBytes(24).toString('hex'), operator: randomBytes(24).toString('hex') };
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  const callers = [
    { name: 'reader', tokenSha256: sha256(tokens.reader), scopes: ['ingestion:read'] },
    { name: 'operator', tokenSha256: sha256(tokens.operator), scopes: ['trainer:write'] },
  ];
  const files = {
    'ca.crt': authority.cert,
    'server.crt': server.cert,
    'server.key': server.key,
    'client.crt': client.cert,
    'client.key': client.key,
    reader: tokens.reader,
    operator: `${tokens.operator}\n`,
    wrong: 'wrong',
    'callers.yaml': JSON.stringify({ callers }),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(at(name), text);
  services = await startStandalone(at('data'), {
    'tls-cert-file': at('server.crt'),
    'tls-key-file': at('server.key'),
    'tls-client-ca-file': at('ca.crt'),
    'auth-tokens-file': at('callers.yaml'),
    'audit-file': at('audit.jsonl'),
  });
  tls = {
    ...services.env,
    MEDFORMER_TLS_CA_FILE: at('ca.crt'),
    MEDFORMER_TLS_CERT_FILE: at('client.crt'),
    MEDFORMER_TLS_KEY_FILE: at('client.key'),
    MEDFORMER_TLS_SERVER_NAME: 'medformer.clinic',
  };
});
afterAll(async () => {
  expect(await services.stop()).toEqual([0]);
  await rm(folder, { recursive: true });
});

describe('the services behind TLS, certificates and tokens', () => {
  const cancel = ['runs', 'cancel', '0'.repeat(64)];

  it('serve the command that has them, as far as its scopes go', async () => {
    const reader = { ...tls, MEDFORMER_TOKEN_FILE: at('reader') };
    expect(await medformerJson(reader, 'datasets', 'ls')).toEqual([]);
    const denied = await medformer(reader, ...cancel);
    expect([denied.code, denied.stderr]).toEqual([
      17,
      expect.stringContaining('needs the scope trainer:write'),
    ]);
    const allowed = await medformer(tls, '--token-file', at('operator'), ...cancel);
    expect([allowed.code, allowed.stderr]).toEqual([15, expect.anything()]);
  });

  it.each([
    ['with a wrong token', () => ({ ...tls, MEDFORMER_TOKEN_FILE: at('wrong') }), 26, 'give --token-file'],
    [
      'without a certificate',
      () => ({ ...tls, MEDFORMER_TLS_CERT_FILE: '', MEDFORMER_TLS_KEY_FILE: '' }),
      24,
      'does not answer',
    ],
    [
      'that expects another name in the certificate',
      () => ({ ...tls, MEDFORMER_TLS_SERVER_NAME: 'other.clinic' }),
      24,
      'does not answer',
    ],
    [
      'that would show its token to the network',
      () => ({ MEDFORMER_ADDRESS: 'far.example:1', MEDFORMER_TOKEN_FILE: at('reader') }),
      13,
      'would reach far.example:1 in plain text',
    ],
  ] as const)('refuse the command %s, with an exit code and a way out', async (_who, env, code, message) => {
    const ended = await medformer(env(), 'datasets', 'ls');
    expect([ended.code, ended.stderr]).toEqual([code, expect.stringContaining(message)]);
  });

  it('keep account of who changed what and who was refused', async () => {
    const lines = (await readFile(at('audit.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const rpc = '/medformer.trainer.v1.TrainerService/CancelRun';
    expect(lines).toMatchObject([
      { caller: 'reader', rpc, code: 'PERMISSION_DENIED', reason: 'missing_scope' },
      { caller: 'operator', rpc, code: 'NOT_FOUND', resources: { run: cancel[2] } },
      { code: 'UNAUTHENTICATED', reason: 'invalid_credentials' },
    ]);
  });
});

it('does not listen in plain text where other machines reach it, and says what to set', async () => {
  const main = join(ROOT, 'services/standalone/dist/main.js');
  const argv = [main, '--host', '0.0.0.0', '--data', at('other')];
  const ended = await execa(process.execPath, argv, { reject: false });
  expect([ended.exitCode, ended.stderr]).toEqual([
    2,
    expect.stringMatching(
      /--host: 0\.0\.0\.0 is reached by other machines: set tlsCertFile .* or allowInsecure/,
    ),
  ]);
});
