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
const ASKED = 500;
const LISTED = 10;
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
    cluster = await Cluster.start({
      nodes: gpuNodes,
      jobsComplete: true,
      large: true,
    });
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
      const since = () => Math.round((performance.now() - began) / 1000);
      const before = memoryMb(control);
      const runs: string[] = [];
      const starts = await timed(jobs, async (seed) => {
        const { run } = await control.call('startRun', { spec: specOf({ seed, steps: 1 }) });
        runs.push(run);
      });
      const startedS = since();
      const left = await unfinished(control);
      const busy = { jobsLeft: left, memoryMb: memoryMb(control), ...(await answers(control, runs)) };
      await until(
        'every job to be complete',
        async () => ((await unfinished(control)) === 0 ? true : undefined),
        TIMEOUT_MS,
      );
      const completeS = since();
      const idle = { memoryMb: memoryMb(control), ...(await answers(control, runs)) };
      const again = performance.now();
      const next = await installed.control();
      const nextReadyS = Number(((performance.now() - again) / 1000).toFixed(1));

      process.stdout.write(
        `${JSON.stringify({
          ...{ nodes, jobs, startedS, completeS, startRun: spread(starts) },
          ...{ memoryMbBefore: before, busy, idle },
          next: { readyS: nextReadyS, memoryMb: memoryMb(next) },
        })}\n`,
      );
      const { stdout } = await cluster.kubectl(['get', 'jobs', '--namespace', NAMESPACE, '--output', 'name']);
      expect(stdout.split('\n')).toHaveLength(jobs);
      expect(await list(next)).toHaveLength(jobs);
      expect(idle.memoryMb).toBeLessThan(before + 100 + jobs * 0.05);
    },
    TIMEOUT_MS,
  );
});

/** Milliseconds of each call. */
async function timed(
  count: number,
  call: (index: number) => Promise<unknown>,
  atOnce = AT_ONCE,
): Promise<number[]> {
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
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, work));
  return times;
}

function spread(times: readonly number[]): { p50Ms: number; p99Ms: number } {
  const sorted = [...times].sort((x, y) => x - y);
  const at = (share: number) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!);
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** How long each kind of question takes; of WatchRun its first message. */
async function answers(control: Control, runs: readonly string[]) {
  const some = (index: number) => runs[(index * 37) % runs.length]!;
  return {
    getRun: spread(await timed(ASKED, (index) => control.call('getRun', { run: some(index) }))),
    watchRun: spread(await timed(ASKED, (index) => firstOf(control, some(index)))),
    listRuns: spread(
      await timed(LISTED, async () => expect(await list(control)).toHaveLength(runs.length), 1),
    ),
  };
}

function firstOf({ client }: Control, run: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const watching = client.watchRun({ run });
    watching.once('data', () => {
      watching.cancel();
      resolve();
    });
    watching.on('error', reject);
  });
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

async function unfinished({ metricsPort }: Control): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const found = ['queued', 'running'].map(
    (state) => new RegExp(`^medformer_trainer_runs\\{state="${state}"\\} (\\d+)$`, 'm').exec(text)?.[1],
  );
  return found.reduce((sum, count) => sum + Number(count ?? 0), 0);
}
