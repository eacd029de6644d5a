import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { Agent } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MedformerError } from '@medformer/schema';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { S3Credentials, type S3Session, s3Credentials } from './s3-credentials.js';

afterEach(() => void vi.useRealTimers());

const MINUTE = 60_000;
/** Sessions of one hour, the n-th with the access key `n`; asking fails while `broken`. */
function source() {
  let asked = 0;
  const made = {
    broken: false,
    ask: async (): Promise<S3Session> => {
      if (made.broken) throw new MedformerError('UNAVAILABLE', 'the token service does not answer');
      asked += 1;
      return {
        accessKey: String(asked),
        secretKey: 's',
        expiresAt: new Date(Date.now() + 60 * MINUTE),
      };
    },
  };
  return made;
}
const keyAt = async (credentials: S3Credentials, minutes: number) => {
  vi.setSystemTime(minutes * MINUTE);
  return (await credentials.get()).accessKey;
};

describe('S3Credentials', () => {
  it('asks once for many that wait, and again five minutes before the end', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 0 });
    const credentials = new S3Credentials(source().ask, Infinity);
    const all = await Promise.all(Array.from({ length: 20 }, () => credentials.get()));
    expect(new Set(all.map(({ accessKey }) => accessKey))).toEqual(new Set(['1']));
    expect(await keyAt(credentials, 54.9)).toBe('1');
    expect(await keyAt(credentials, 55)).toBe('2');
    expect(await keyAt(credentials, 100)).toBe('2');
  });

  it('keeps what it has while asking fails, to its end and no longer', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 0 });
    const keys = source();
    const credentials = new S3Credentials(keys.ask, Infinity);
    await credentials.get();
    keys.broken = true;
    expect(await keyAt(credentials, 59)).toBe('1');
    await expect(keyAt(credentials, 60)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    keys.broken = false;
    expect(await keyAt(credentials, 61)).toBe('2');
  });

  it('asks anew after a refusal, but not for keys that are a moment old', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 0 });
    const credentials = new S3Credentials(source().ask, Infinity);
    await credentials.get();
    expect(await credentials.haveChanged()).toBe(false);
    vi.setSystemTime(2000);
    expect(await credentials.haveChanged()).toBe(true);
    expect((await credentials.get()).accessKey).toBe('2');
  });
});

describe('a token service in clear beside a store with TLS', () => {
  it('is asked all the same', async () => {
    const keys = '<AccessKeyId>a</AccessKeyId><SecretAccessKey>s</SecretAccessKey>';
    const server = createServer((_, answer) => {
      answer.end(`${keys}<Expiration>${new Date(Date.now() + 60 * MINUTE).toISOString()}</Expiration>`);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const folder = await mkdtemp(join(tmpdir(), 'medformer-token-'));
    const webIdentityTokenFile = join(folder, 'token');
    try {
      await writeFile(webIdentityTokenFile, 'token');
      const stsEndpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const config = { webIdentityTokenFile, stsEndpoint };
      const credentials = s3Credentials(config, 'https://store.invalid', new Agent());
      expect(await credentials.get()).toMatchObject({ accessKey: 'a', secretKey: 's' });
    } finally {
      server.closeAllConnections();
      server.close();
      await rm(folder, { recursive: true });
    }
  });
});
