import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { blobKey, getBlob, getRecord, putBlob, putRecord } from './blob.js';
import { openFilesystemStore } from './filesystem-store.js';
import { MAX_OBJECT_BYTES, type ObjectStore } from './object-store.js';
import { openObjectStore } from './open-object-store.js';
import { openS3Store } from './s3-store.js';
import { startMinio } from './testing/minio-server.js';
import { startVersity } from './testing/versity-server.js';

interface StoreUnderTest {
  store: ObjectStore;
  close(): Promise<void>;
}

const stores: [string, () => Promise<StoreUnderTest>][] = [
  [
    'filesystem store',
    async () => {
      const root = await mkdtemp(join(tmpdir(), 'medformer-store-'));
      return {
        store: await openFilesystemStore(root),
        close: async () => {
          expect(readdirSync(join(root, '.staging'))).toEqual([]);
          await rm(root, { recursive: true });
        },
      };
    },
  ],
  [
    'S3 store on MinIO',
    async () => {
      const server = await startMinio();
      return { store: openS3Store(server.options), close: () => server.stop() };
    },
  ],
  [
    'S3 store on Versity S3 Gateway',
    async () => {
      const server = await startVersity();
      return { store: openS3Store(server.options), close: () => server.stop() };
    },
  ],
];

describe.each(stores)('%s', (_name, open) => {
  let store: ObjectStore;
  let close: () => Promise<void>;
  const keys = async (prefix: string) => {
    const found: string[] = [];
    for await (const { key } of store.list(prefix)) found.push(key);
    return found;
  };

  beforeAll(async () => {
    ({ store, close } = await open());
  });
  afterAll(() => close());

  it('gives back the bytes it was given, also a view into a larger buffer and none at all', async () => {
    const whole = Uint8Array.from({ length: 256 }, (_, index) => index);
    await store.put('bytes/view', whole.subarray(3, 200), { contentType: 'image/png' });
    await store.put('bytes/none', new Uint8Array());
    expect(await store.get('bytes/view')).toEqual(Buffer.from(whole.subarray(3, 200)));
    expect(await store.get('bytes/none')).toEqual(Buffer.alloc(0));
    expect(await store.head('bytes/view')).toMatchObject({ key: 'bytes/view', bytes: 197 });
  });

  it('gives back a part of an object, and only what there is of it', async () => {
    await store.put('bytes/part', Buffer.from('0123456789'));
    const part = async (from: number, length: number) =>
      (await store.get('bytes/part', { range: { from, length } })).toString();
    expect(await part(0, 1)).toBe('0');
    expect(await part(3, 4)).toBe('3456');
    expect(await part(8, 100)).toBe('89');
    expect(await part(10, 5)).toBe('');
    await expect(store.get('bytes/nothing', { range: { from: 0, length: 1 } })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  it('replaces an object on a plain put', async () => {
    await store.put('replace', Buffer.from('old and longer'));
    expect(await store.put('replace', Buffer.from('new'))).toBe('created');
    expect((await store.get('replace')).toString()).toBe('new');
  });

  it('leaves an existing object untouched with ifAbsent and says so', async () => {
    expect(await store.put('once', Buffer.from('first'), { ifAbsent: true })).toBe('created');
    expect(await store.put('once', Buffer.from('second'), { ifAbsent: true })).toBe('exists');
    expect((await store.get('once')).toString()).toBe('first');
  });

  it('lets exactly one of many concurrent ifAbsent writers win, and keeps the winner whole', async () => {
    const writers = Array.from({ length: 12 }, (_, writer) => Buffer.alloc(200_000, writer));
    const outcomes = await Promise.all(writers.map((bytes) => store.put('race', bytes, { ifAbsent: true })));
    expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1);
    expect(await store.get('race')).toEqual(writers[outcomes.indexOf('created')]);
  });

  it('never shows a reader half of an object that is being replaced', async () => {
    const versions = [Buffer.alloc(500_000, 1), Buffer.alloc(300_000, 2)] as const;
    await store.put('whole', versions[0]);
    const writing = (async () => {
      for (let round = 0; round < 20; round += 1) await store.put('whole', versions[round % 2 ? 0 : 1]);
    })();
    for (let round = 0; round < 20; round += 1) {
      const seen = await store.get('whole');
      expect(versions.some((version) => version.equals(seen))).toBe(true);
    }
    await writing;
  });

  it('answers NOT_FOUND with the key for an object that is not there', async () => {
    await expect(store.get('no/such/object')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'object no/such/object does not exist',
    });
    expect(await store.head('no/such/object')).toBeUndefined();
  });

  it('deletes, and deleting again succeeds', async () => {
    await store.put('delete/me', Buffer.from('x'));
    await store.delete('delete/me');
    await store.delete('delete/me');
    expect(await store.head('delete/me')).toBeUndefined();
  });

  it('lists by prefix in key order, across folders and a prefix that ends within a name', async () => {
    const all = ['list/a', 'list/a-b/c', 'list/a.b', 'list/aa/x', 'list/b/1', 'list/b/10', 'list/b/2'];
    for (const key of all) await store.put(key, Buffer.from(key));
    expect(await keys('list/')).toEqual([...all].sort((x, y) => (x < y ? -1 : 1)));
    expect(await keys('list/b/1')).toEqual(['list/b/1', 'list/b/10']);
    expect(await keys('list/nothing')).toEqual([]);
    expect(await keys('nowhere/at/all/')).toEqual([]);
  });

  it('lists more objects than one page of the protocol holds', async () => {
    const names = Array.from({ length: 1010 }, (_, index) => `many/${String(index).padStart(4, '0')}`);
    for (let start = 0; start < names.length; start += 50) {
      await Promise.all(names.slice(start, start + 50).map((key) => store.put(key, Buffer.from('x'))));
    }
    expect(await keys('many/')).toEqual(names);
  }, 120_000);

  it.each([
    '',
    '/absolute',
    '../escape',
    'a/../../escape',
    'a//b',
    'a/',
    './a',
    '.staging/x',
    'a\\b',
    'a\0b',
    'ä',
  ])('refuses the key %j', async (key) => {
    const refusal = { code: 'INVALID_ARGUMENT' };
    await expect(store.put(key, Buffer.from('x'))).rejects.toMatchObject(refusal);
    await expect(store.get(key)).rejects.toMatchObject(refusal);
    await expect(store.head(key)).rejects.toMatchObject(refusal);
    await expect(store.delete(key)).rejects.toMatchObject(refusal);
  });

  it('refuses an object larger than one PUT, naming both sizes', async () => {
    await expect(store.put('large', Buffer.alloc(MAX_OBJECT_BYTES + 1))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: `object large: expected at most ${MAX_OBJECT_BYTES} bytes, found ${MAX_OBJECT_BYTES + 1}`,
    });
    expect(await store.head('large')).toBeUndefined();
  });

  it('stops reading when the signal fires', async () => {
    await store.put('cancel', Buffer.alloc(8_000_000));
    const controller = new AbortController();
    controller.abort();
    await expect(store.get('cancel', { signal: controller.signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await expect(store.get('cancel', { signal: AbortSignal.timeout(0) })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });

  it('answers a ping', async () => {
    await expect(store.ping()).resolves.toBeUndefined();
  });

  it('keeps blobs under their own hash, once', async () => {
    const bytes = Buffer.from('a blob');
    const stored = await putBlob(store, bytes);
    const first = await store.head(blobKey(stored.sha256));
    expect(stored).toEqual({ sha256: createHash('sha256').update(bytes).digest('hex'), bytes: 6 });
    await putBlob(store, bytes);
    expect(await store.head(blobKey(stored.sha256))).toEqual(first);
    expect(await getBlob(store, stored.sha256)).toEqual(bytes);
  });

  it('answers DATA_LOSS for a blob whose bytes changed', async () => {
    const { sha256 } = await putBlob(store, Buffer.from('to be damaged'));
    await store.put(blobKey(sha256), Buffer.from('to be dAmaged'));
    await expect(getBlob(store, sha256)).rejects.toMatchObject({ code: 'DATA_LOSS' });
  });

  it('keeps records by content address and refuses a record of another kind', async () => {
    const address = await putRecord(store, { kind: 'x', value: 1 });
    expect(await putRecord(store, { value: 1, kind: 'x' })).toBe(address);
    expect(
      await getRecord(store, z.object({ kind: z.literal('x'), value: z.number() }), address, 'x'),
    ).toEqual({
      kind: 'x',
      value: 1,
    });
    await expect(getRecord(store, z.object({ kind: z.literal('y') }), address, 'y')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(`y ${address}: kind: `),
    });
    const nowhere = sha256('nowhere');
    await expect(getRecord(store, z.object({}), nowhere, 'x')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: `x ${nowhere}: not in the store`,
    });
  });
});

describe('filesystem store', () => {
  it('refuses a key inside another object, which a folder cannot hold', async () => {
    const root = await mkdtemp(join(tmpdir(), 'medformer-store-'));
    const store = await openFilesystemStore(root);
    await store.put('file', Buffer.from('x'));
    const refusal = { code: 'FAILED_PRECONDITION' };
    await expect(store.put('file/inside', Buffer.from('x'))).rejects.toMatchObject(refusal);
    await expect(store.put('file/inside', Buffer.from('x'), { ifAbsent: true })).rejects.toMatchObject(
      refusal,
    );
    expect((await store.get('file')).toString()).toBe('x');
    await rm(root, { recursive: true });
  });
});

describe('S3 store whose server is gone', () => {
  it('answers UNAVAILABLE after its attempts, for objects and for ping', async () => {
    const server = await startMinio();
    const store = openS3Store(server.options);
    await store.ping();
    await server.stop();
    await expect(store.get('anything')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(store.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it.each([
    ['MinIO', startMinio],
    ['Versity S3 Gateway', startVersity],
  ])('answers PERMISSION_DENIED for a wrong secret on %s', async (_name, start) => {
    const server = await start();
    const store = openS3Store({ ...server.options, secretKey: 'another-secret' });
    await expect(store.put('x', Buffer.from('x'))).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    await server.stop();
  });
});

describe('openObjectStore', () => {
  it('opens a folder by file URL, also one with a space in its name', async () => {
    const root = await mkdtemp(join(tmpdir(), 'medformer store '));
    const store = await openObjectStore({ url: `file://${root.replaceAll(' ', '%20')}/inner` });
    await store.put('x', Buffer.from('x'));
    expect(existsSync(join(root, 'inner', 'x'))).toBe(true);
    await rm(root, { recursive: true });
  });

  it('opens a bucket by s3 URL', async () => {
    const { options, stop } = await startMinio();
    const url = `s3://${options.bucket}?endpoint=${options.endpoint}`;
    const store = await openObjectStore({ url, accessKey: options.accessKey, secretKey: options.secretKey });
    await store.ping();
    await stop();
  });

  it.each([
    ['http://somewhere', 'file:///folder or s3://'],
    ['s3://bucket', 'endpoint='],
    ['s3://bucket/prefix?endpoint=http://h:1', 'no path'],
    ['s3://bucket?endpoint=http://h:1', 'access key'],
    ['nonsense', 'file:///folder or s3://'],
  ])('refuses %s, naming what is wrong', async (url, expected) => {
    await expect(openObjectStore({ url })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(expected),
    });
  });

  it('does not hide a folder that cannot be made', async () => {
    const root = await mkdtemp(join(tmpdir(), 'medformer-store-'));
    await writeFile(join(root, 'file'), '');
    await expect(openObjectStore({ url: `file://${root}/file/store` })).rejects.toThrow();
    await rm(root, { recursive: true });
  });
});
