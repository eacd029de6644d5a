import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collectGarbage, type ObjectStore, openS3Store } from '@medformer/object-store';
import { type S3Server, startMinio } from '@medformer/object-store/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FAULTS, type FaultProxy, startFaultProxy } from './spec/fault-proxy.js';
import { type Files, noise, npz } from './spec/files.js';
import { type Service, startService } from './spec/service.js';

/** Three shards of at most 1 MiB each. */
const COUNT = 3000;
const FILES: Files = { 'scan.npz': npz({ train_images: { data: noise(COUNT * 784) } }, COUNT) };

let root: string;
let minio: S3Server;
let proxy: FaultProxy;
let store: ObjectStore;
let service: Service;
let unbroken: Record<string, string>;
let requests: string[];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'ingestion-crash-'));
  minio = await startMinio();
  proxy = await startFaultProxy(minio.options.endpoint);
  store = openS3Store(minio.options);
  service = await start('unbroken');
  proxy.requests.length = 0;
  await service.ingest('crash', FILES);
  requests = [...proxy.requests];
  unbroken = await everything();
}, 120_000);
afterAll(async () => {
  await service?.stop();
  await proxy.stop();
  await minio.stop();
  await rm(root, { recursive: true, force: true });
});
beforeEach(async () => {
  healProxy();
  await clear();
});

const start = (data: string) =>
  startService(join(root, data), {
    MEDFORMER_STORE: `s3://${minio.options.bucket}?endpoint=${proxy.url}`,
    MEDFORMER_STORE_ACCESS_KEY: minio.options.accessKey,
    MEDFORMER_STORE_SECRET_KEY: minio.options.secretKey,
  });

async function everything(): Promise<Record<string, string>> {
  const objects: Record<string, string> = {};
  // The store's own question about its server stays.
  for await (const { key } of store.list(''))
    if (!key.startsWith('probes/')) objects[key] = (await store.get(key)).toString('base64');
  return objects;
}

const manifests = (objects: Record<string, string>) =>
  Object.keys(objects).filter((key) => key.startsWith('datasets/'));
/** A process's first question about its server is none. */
const isWrite = (line: string) => line.startsWith('PUT') && !line.includes('/probes/');
const writes = () => requests.filter(isWrite).length;

/** `CRASH_SWEEP=all`, as tools/crash-ingest.mjs sets it: everything that can go wrong at every single request. */
const SWEEP = process.env.CRASH_SWEEP === 'all';

type Victim = 'ingesting process' | 'service';

/** SIGKILL, once, as the n-th request that counts comes by or was answered. */
function killAt(
  service: Service,
  victim: Victim,
  { nth, moment, counts }: { nth: number; moment: 'before' | 'after'; counts: (line: string) => boolean },
): { killed: number | undefined } {
  const outcome: { killed: number | undefined } = { killed: undefined };
  let seen = -1;
  const at = (index: number) => {
    if (!counts(proxy.requests[index]!) || outcome.killed !== undefined) return false;
    seen += 1;
    if (seen !== nth) return false;
    const { pid } = service.process;
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').match(/\d+/g) ?? [];
    outcome.killed = Number(child);
    process.kill(victim === 'service' ? pid! : Number(child), 'SIGKILL');
    return true;
  };
  if (moment === 'after') proxy.after = (index) => void at(index);
  // What a killed process had sent is lost with it; what a child of a killed service sent arrives.
  else proxy.before = (index) => (at(index) && victim !== 'service' ? 'drop' : undefined);
  return outcome;
}

function healProxy(): void {
  proxy.before = () => undefined;
  proxy.after = () => undefined;
}

/** The orphan of a killed service is gone, whatever it was doing. */
async function gone(pid: number): Promise<void> {
  while (existsSync(`/proc/${pid}`)) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function clear(): Promise<void> {
  for (const key of Object.keys(await everything())) await store.delete(key);
}

/** No manifest, or the whole of the unbroken one; no orphan that the collector does not reach; then the unbroken one. */
async function expectOldOrNew(service: Service): Promise<'old' | 'new'> {
  const found = manifests(await everything());
  const state = found.length === 0 ? 'old' : 'new';
  if (state === 'new') expect(await everything()).toEqual(unbroken);
  await collectGarbage(store, { olderThanMs: -60_000 });
  expect(await everything()).toEqual(state === 'new' ? unbroken : {});
  await service.ingest('crash', FILES);
  expect(await everything()).toEqual(unbroken);
  return state;
}

describe('an ingest into S3', () => {
  it('writes its manifest last', () => {
    expect(writes()).toBeGreaterThanOrEqual(4);
    expect(requests.findLast((line) => line.startsWith('PUT'))).toContain('/datasets/crash/');
    expect(manifests(unbroken)).toHaveLength(1);
  });

  it('whose process is killed right before or after a write leaves no dataset or the whole one, and is the unbroken one when repeated', async () => {
    const last = writes() - 1;
    for (const nth of SWEEP ? Array.from({ length: last + 1 }, (_, at) => at) : [1, last]) {
      for (const moment of ['before', 'after'] as const) {
        killAt(service, 'ingesting process', { nth, moment, counts: isWrite });
        await expect(service.ingest('crash', FILES)).rejects.toThrow();
        healProxy();
        const committed = nth === last && moment === 'after';
        expect(await expectOldOrNew(service)).toBe(committed ? 'new' : 'old');
        await clear();
      }
    }
  }, 300_000);

  it('whose service is killed leaves an orphan that commits nothing but the manifest it had sent', async () => {
    const last = writes() - 1;
    for (const [nth, state] of [
      [0, 'old'],
      [last, 'new'],
    ] as const) {
      const killed = await start('orphan');
      const outcome = killAt(killed, 'service', { nth, moment: 'before', counts: isWrite });
      await expect(killed.ingest('crash', FILES)).rejects.toThrow();
      await gone(outcome.killed!);
      healProxy();
      const next = await start('orphan');
      expect(await expectOldOrNew(next)).toBe(state);
      await clear();
      await next.stop();
    }
  }, 300_000);

  it.each(FAULTS)(
    'gives the unbroken dataset although every third request meets %s',
    async (fault) => {
      const begin = proxy.requests.length;
      proxy.before = (index) => ((index - begin) % 3 === 1 ? fault : undefined);
      await service.ingest('crash', FILES);
      expect((await service.verify('crash')).verification.faults).toEqual([]);
      healProxy();
      expect(await everything()).toEqual(unbroken);
    },
    120_000,
  );

  it('gives one dataset to two processes that ingest the same at once', async () => {
    const other = await start('other');
    const [one, two] = await Promise.all([service, other].map((each) => each.ingest('crash', FILES)));
    expect(one!.dataset!.manifest).toBe(two!.dataset!.manifest);
    expect(await everything()).toEqual(unbroken);
    await other.stop();
  }, 120_000);
});

describe.runIf(SWEEP)('the sweep over every request of an ingest', { timeout: 3_600_000 }, () => {
  const tell = (what: string, counts: Record<string, number>) =>
    process.stdout.write(`sweep: ${what}: ${JSON.stringify(counts)}\n`);

  it.each(FAULTS)('ends with the unbroken dataset whichever single request meets %s', async (fault) => {
    const ended = { 'at once': 0, 'when repeated': 0 };
    for (let nth = 0; nth < requests.length; nth += 1) {
      const begin = proxy.requests.length;
      proxy.before = (index) => (index - begin === nth ? fault : undefined);
      const first = await service.ingest('crash', FILES).catch(() => undefined);
      healProxy();
      ended[first ? 'at once' : 'when repeated'] += 1;
      if (first) expect(await everything()).toEqual(unbroken);
      else await expectOldOrNew(service);
      await clear();
    }
    tell(`${requests.length} requests, ${fault}`, ended);
  });

  it.each<[Victim, 'before' | 'after']>([
    ['ingesting process', 'before'],
    ['ingesting process', 'after'],
    ['service', 'before'],
    ['service', 'after'],
  ])('finds the old or the new dataset when the %s is killed %s any request', async (victim, moment) => {
    const states = { old: 0, new: 0 };
    let running = victim === 'service' ? await start('sweep') : service;
    for (let nth = 0; nth < requests.length; nth += 1) {
      const outcome = killAt(running, victim, { nth, moment, counts: () => true });
      await running.ingest('crash', FILES).catch(() => undefined);
      if (outcome.killed) await gone(outcome.killed);
      healProxy();
      if (victim === 'service') running = await start('sweep');
      states[await expectOldOrNew(running)] += 1;
      await clear();
    }
    tell(`${requests.length} kills of the ${victim} ${moment} a request`, states);
    if (running !== service) await running.stop();
  });
});
