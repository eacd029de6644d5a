import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collectGarbage, type ObjectStore, openS3Store } from '@medformer/object-store';
import { type S3Server, startMinio } from '@medformer/object-store/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Fault, type FaultProxy, startFaultProxy } from './spec/fault-proxy.js';
import { type Files, noise, npz } from './spec/files.js';
import { type Service, startService } from './spec/service.js';

/** Three shards of at most 1 MiB each. */
const COUNT = 3000;
const FILES: Files = { 'scan.npz': npz({ train_images: { data: noise(COUNT * 784) } }, COUNT) };

let root: string;
let minio: S3Server;
let proxy: FaultProxy;
let store: ObjectStore;
let unbroken: Record<string, string>;
let requests: string[];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'ingestion-crash-'));
  minio = await startMinio();
  proxy = await startFaultProxy(minio.options.endpoint);
  store = openS3Store(minio.options);
  const service = await start('unbroken');
  proxy.requests.length = 0;
  await service.ingest('crash', FILES);
  requests = [...proxy.requests];
  await service.stop();
  unbroken = await everything();
}, 120_000);
afterAll(async () => {
  await proxy.stop();
  await minio.stop();
  await rm(root, { recursive: true, force: true });
});
beforeEach(async () => {
  proxy.before = () => undefined;
  proxy.after = () => undefined;
  for (const key of Object.keys(await everything())) await store.delete(key);
});

const start = (data: string) =>
  startService(join(root, data), {
    MEDFORMER_STORE: `s3://${minio.options.bucket}?endpoint=${proxy.url}`,
    MEDFORMER_STORE_ACCESS_KEY: minio.options.accessKey,
    MEDFORMER_STORE_SECRET_KEY: minio.options.secretKey,
  });

async function everything(): Promise<Record<string, string>> {
  const objects: Record<string, string> = {};
  for await (const { key } of store.list('')) objects[key] = (await store.get(key)).toString('base64');
  return objects;
}

const manifests = (objects: Record<string, string>) =>
  Object.keys(objects).filter((key) => key.startsWith('datasets/'));
const writes = () => requests.filter((line) => line.startsWith('PUT')).length;

/** SIGKILL for the process that ingests, once, as its n-th PUT comes by or was answered. */
function killAtWrite(service: Service, write: number, moment: 'before' | 'after'): void {
  let seen = -1;
  const at = (method: string) => {
    if (method !== 'PUT') return false;
    seen += 1;
    if (seen !== write) return false;
    const { pid } = service.process;
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').match(/\d+/g) ?? [];
    process.kill(Number(child), 'SIGKILL');
    return true;
  };
  if (moment === 'after') proxy.after = (_, method) => void at(method);
  else proxy.before = (_, method) => (at(method) ? 'drop' : undefined);
}

describe('an ingest into S3', () => {
  it('writes its manifest last', () => {
    expect(writes()).toBeGreaterThanOrEqual(4);
    expect(requests.findLast((line) => line.startsWith('PUT'))).toContain('/datasets/crash/');
    expect(manifests(unbroken)).toHaveLength(1);
  });

  it('whose process is killed right before or after any write leaves no dataset or the whole one, and is the unbroken one when repeated', async () => {
    const service = await start('killed');
    for (let write = 0; write < writes(); write += 1) {
      for (const moment of ['before', 'after'] as const) {
        killAtWrite(service, write, moment);
        await expect(service.ingest('crash', FILES)).rejects.toThrow();
        proxy.before = () => undefined;
        proxy.after = () => undefined;
        const committed = write === writes() - 1 && moment === 'after';
        expect(manifests(await everything())).toEqual(committed ? manifests(unbroken) : []);
        await collectGarbage(store, { olderThanMs: -60_000 });
        expect(await everything()).toEqual(committed ? unbroken : {});
        await service.ingest('crash', FILES);
        expect(await everything()).toEqual(unbroken);
        for (const key of Object.keys(unbroken)) await store.delete(key);
      }
    }
    await service.stop();
  }, 300_000);

  it.each<Fault>(['drop', 'lose-answer', 'truncate', 'error-500', 'error-503', 'delay'])(
    'gives the unbroken dataset although every third request meets %s',
    async (fault) => {
      const service = await start('faults');
      const begin = proxy.requests.length;
      proxy.before = (index) => ((index - begin) % 3 === 1 ? fault : undefined);
      await service.ingest('crash', FILES);
      proxy.before = () => undefined;
      expect(await everything()).toEqual(unbroken);
      await service.stop();
    },
    120_000,
  );

  it('gives one dataset to two processes that ingest the same at once', async () => {
    const services = await Promise.all([start('one'), start('two')]);
    const [one, two] = await Promise.all(services.map((service) => service.ingest('crash', FILES)));
    expect(one!.dataset!.manifest).toBe(two!.dataset!.manifest);
    expect(await everything()).toEqual(unbroken);
    await Promise.all(services.map((service) => service.stop()));
  }, 120_000);
});
