import { readFileSync } from 'node:fs';
import type { ListRunsResponse } from '@medformer/gen/trainer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NAMESPACE } from '../src/harness/chart.js';
import { until } from '../src/harness/until.js';
import { Cluster } from './harness/cluster.js';
import { type Control, specOf, TrainerInstallation } from './harness/trainer-installation.js';

/** NODESxJOBS, e.g. 1000x10000; that takes most of an hour of two cores. */
const { MEDFORMER_SCALE = '' } = process.env;
const [nodes = 0, jobs = 0] = MEDFORMER_SCALE.split('x').map(Number);
const AT_ONCE = 8;
const TIMEOUT_MS = 2 * 60 * 60_000;

describe.skipIf(MEDFORMER_SCALE === '')(`trainer control with ${MEDFORMER_SCALE}`, () => {
  let cluster: Cluster;
  let installed: TrainerInstallation;
  let control: Control;

  beforeAll(async () => {
    const product = { 'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3' };
    const gpuNodes = Array.from({ length: nodes }, (_, index) => ({
      name: `gpu-${index}`,
      labels: product,
      devices: { 'nvidia.com/gpu': 8 },
    }));
    cluster = await Cluster.start({ nodes: gpuNodes, jobsComplete: true });
    installed = await TrainerInstallation.make(cluster);
    control = await installed.control();
  }, TIMEOUT_MS);
  afterAll(async () => {
    await installed?.stop();
    await cluster?.stop();
  });

  it(
    'starts every run once, sees all of their jobs through, and answers within its bounds',
    async () => {
      const began = performance.now();
      const before = memoryMb(control);
      const starts = await timed(jobs, (seed) =>
        control.call('startRun', { spec: specOf({ seed, steps: 1 }) }),
      );
      const startedS = (performance.now() - began) / 1000;
      await until(
        'every job to be complete',
        async () =>
          (await metric(control, 'queued')) + (await metric(control, 'running')) === 0 ? true : undefined,
        TIMEOUT_MS,
      );
      const completeS = (performance.now() - began) / 1000;
      const listing = await timed(5, async () => expect(await list(control)).toHaveLength(jobs));
      const after = memoryMb(control);
      const again = performance.now();
      const next = await installed.control();
      const syncedS = (performance.now() - again) / 1000;

      process.stdout.write(
        `${JSON.stringify({
          nodes,
          jobs,
          startP50Ms: quantile(starts, 0.5),
          startP99Ms: quantile(starts, 0.99),
          startedS: Math.round(startedS),
          completeS: Math.round(completeS),
          listRunsP50Ms: quantile(listing, 0.5),
          memoryMb: { before, after, ofTheNext: memoryMb(next) },
          nextReadyS: Number(syncedS.toFixed(1)),
        })}\n`,
      );
      const { stdout } = await cluster.kubectl(['get', 'jobs', '--namespace', NAMESPACE, '--output', 'name']);
      expect(stdout.split('\n')).toHaveLength(jobs);
      expect(await list(next)).toHaveLength(jobs);
      expect(after).toBeLessThan(before + 100 + jobs * 0.05);
    },
    TIMEOUT_MS,
  );
});

/** Milliseconds of each call. */
async function timed(count: number, call: (index: number) => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  let next = 0;
  const work = async () => {
    while (next < count) {
      const index = next;
      next += 1;
      const began = performance.now();
      await call(index);
      times.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, work));
  return times;
}

function quantile(times: readonly number[], share: number): number {
  const sorted = [...times].sort((x, y) => x - y);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!);
}

function list({ client }: Control): Promise<ListRunsResponse['runs']> {
  return new Promise((resolve, reject) =>
    client.listRuns({}, (error, { runs } = { runs: [] }) => (error ? reject(error) : resolve(runs))),
  );
}

function memoryMb({ process: child }: Control): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kib) / 1024);
}

async function metric({ metricsPort }: Control, state: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  return Number(
    new RegExp(`^medformer_trainer_runs\\{state="${state}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0,
  );
}
