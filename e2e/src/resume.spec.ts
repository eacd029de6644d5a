import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { getRecord, openObjectStore } from '@medformer/object-store';
import { CheckpointRecord, type HistoryEntry } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { medformer, medformerJson, medformerProcess } from './harness/medformer.js';
import { medmnistMembers, npz } from './harness/npz.js';
import { type Services, startStandalone } from './harness/services.js';
import { descendants, isAlive, reachesStep } from './harness/training.js';
import { until } from './harness/until.js';

const STEPS = 30;

describe('a killed run', () => {
  let folder: string;
  let spec: string;
  let unbroken: { checkpoint: string; run: string; history: HistoryEntry[] };
  const running: Services[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'medformer-resume-'));
    await writeFile(join(folder, 'thirds.npz'), npz(medmnistMembers({ train: 96, val: 12, test: 24 })));
    spec = join(folder, 'simclr.yaml');
    await writeFile(
      spec,
      `dataset: thirds\nmethod: { name: simclr }\nbatchSize: 48\nsteps: ${STEPS}\ncheckpointEvery: 5\n`,
    );
    const ingesting = await startStandalone(join(folder, 'ingested'));
    const argv = ['ingest', join(folder, 'thirds.npz'), '--name', 'thirds', '--modality', 'xray'];
    await medformerJson(ingesting.env, ...argv, '--body-part', 'chest');
    await ingesting.stop();

    const { env, stop } = await startWithData('unbroken');
    const { checkpoint, run } = await medformerJson(env, 'train', spec);
    unbroken = { checkpoint, run, history: await historyOf('unbroken', checkpoint) };
    await stop();
  });

  afterAll(async () => {
    for (const services of running) await services.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Services on a copy of the ingested data: pseudonyms, and so a dataset's address, belong to an installation. */
  async function startWithData(name: string): Promise<Services> {
    await cp(join(folder, 'ingested'), join(folder, name), { recursive: true });
    return restart(name);
  }

  async function restart(name: string): Promise<Services> {
    const services = await startStandalone(join(folder, name));
    running.push(services);
    return services;
  }

  async function historyOf(data: string, checkpoint: string): Promise<HistoryEntry[]> {
    const store = await openObjectStore({ url: pathToFileURL(join(folder, data, 'store')).href });
    return (await getRecord(store, CheckpointRecord, checkpoint, 'checkpoint')).history;
  }

  function expectEqualCurves(history: HistoryEntry[]): void {
    expect(history.map(({ step }) => step)).toEqual(unbroken.history.map(({ step }) => step));
    for (const [index, { loss }] of history.entries())
      expect(loss).toBeCloseTo(unbroken.history[index]!.loss, 4);
  }

  it('of which the training process dies goes on from its checkpoint to the same losses', async () => {
    const services = await startWithData('child');
    const { env } = services;
    const training = medformerProcess(env, 'train', spec);
    await reachesStepOnceStarted(env, 12);
    const [child] = descendants(services.processes[0]!.pid!, 'training-process');
    process.kill(child!, 'SIGKILL');
    const ended = await training;
    expect(ended.exitCode).toBe(20);
    expect(ended.stderr).toMatch(/medformer: ABORTED: run [0-9a-f]{12} \w+ at step \d+ of 30/);

    const resumed = await medformer(env, '--json', 'train', spec);
    const { checkpoint, run } = JSON.parse(resumed.stdout);
    expect(run).toBe(unbroken.run);
    expectEqualCurves(await historyOf('child', checkpoint));
    expect(await medformerJson(env, 'runs', 'ls')).toHaveLength(1);
  });

  it('of which all services die goes on after a restart, and nothing is left of the old processes', async () => {
    const { env, processes } = await startWithData('standalone');
    const training = medformerProcess(env, 'train', spec);
    await reachesStepOnceStarted(env, 12);
    const server = processes[0]!;
    const children = descendants(server.pid!);
    server.kill('SIGKILL');
    expect((await training).exitCode).toBe(24);
    await until('the children to end', () => (children.some(isAlive) ? undefined : true), 15_000);

    const again = await restart('standalone');
    const [interrupted] = await medformerJson(again.env, 'runs', 'ls');
    expect(interrupted).toMatchObject({ run: unbroken.run, state: 'interrupted' });
    expect(interrupted.step).toBeGreaterThanOrEqual(10);
    const { checkpoint } = await medformerJson(again.env, 'train', spec);
    expectEqualCurves(await historyOf('standalone', checkpoint));
    expect(await medformerJson(again.env, 'datasets', 'ls')).toHaveLength(1);
    expect(await medformerJson(again.env, 'runs', 'ls')).toHaveLength(1);
  });

  async function reachesStepOnceStarted(env: Record<string, string>, step: number): Promise<void> {
    const run = await until('the run', async () => (await medformerJson(env, 'runs', 'ls'))[0]?.run);
    await reachesStep(env, run, step);
  }
});
