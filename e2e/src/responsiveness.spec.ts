import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkHealth } from './harness/health.js';
import { medformer, medformerJson, medformerProcess } from './harness/medformer.js';
import { medmnistMembers, npz } from './harness/npz.js';
import { type Services, startStandalone } from './harness/services.js';
import { descendants, isAlive } from './harness/training.js';
import { until } from './harness/until.js';

/** What is promised, and what a busy machine is forgiven before the test calls it broken. */
const PROMISED_MS = 100;
const FORGIVEN_MS = 1000;

describe('while a training step runs', () => {
  let folder: string;
  let services: Services;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'medformer-busy-'));
    services = await startStandalone(join(folder, 'data'));
    const archive = join(folder, 'thirds.npz');
    await writeFile(archive, npz(medmnistMembers({ train: 192, val: 12, test: 24 })));
    await medformerJson(
      services.env,
      'ingest',
      archive,
      '--name',
      'thirds',
      '--modality',
      'ct',
      '--body-part',
      'head',
    );
    // A step of this size takes a good part of a second.
    const spec = 'dataset: thirds\nmethod: { name: simclr }\nbatchSize: 96\nsteps: 500\n';
    await writeFile(join(folder, 'long.yaml'), spec);
  });

  afterAll(async () => {
    await services?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('health and metrics answer, and Ctrl-C ends the run', async () => {
    const { env, metricsUrls } = services;
    const client = new Client(env.MEDFORMER_ADDRESS!, credentials.createInsecure());
    const training = medformerProcess(env, 'train', join(folder, 'long.yaml'));
    const [run] = await until('the first step', async () => {
      const runs = await medformerJson(env, 'runs', 'ls');
      return runs[0]?.state === 'running' && runs[0].step > 0 ? runs : undefined;
    });

    const waits: number[] = [];
    while (waits.length < 40) {
      const started = performance.now();
      if (waits.length % 2 === 0) expect(await checkHealth(client)).toBe('SERVING');
      else expect((await fetch(`${metricsUrls[0]}/metrics`)).ok).toBe(true);
      waits.push(performance.now() - started);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    client.close();
    const sorted = waits.toSorted((a, b) => a - b);
    console.log(
      `answers while training: median ${sorted[20]!.toFixed(1)} ms, max ${sorted[39]!.toFixed(1)} ms`,
    );
    expect(sorted[20]).toBeLessThan(PROMISED_MS);
    expect(sorted[39]).toBeLessThan(FORGIVEN_MS);

    training.kill('SIGINT');
    const ended = await training;
    expect(ended.exitCode).toBe(130);
    expect(ended.stderr).toMatch(/CANCELLED: stopped at step \d+ of 500; the same command goes on/);
    // The step under way is finished and its checkpoint written first.
    const state = async () => (await medformerJson(env, 'runs', 'show', run.run)).run.state;
    await expect.poll(state, { timeout: 20_000 }).toBe('cancelled');
  });

  it('SIGTERM drains the services and leaves no process behind', async () => {
    const { env } = services;
    await medformer(env, 'train', join(folder, 'long.yaml'), '--detach', '--set', 'seed=1');
    const all = descendants(services.processes[0]!.pid!);
    expect(all.length).toBeGreaterThan(0);
    await expect(services.stop()).resolves.toEqual([0]);
    expect(all.filter(isAlive)).toEqual([]);
  });
});
