import { cp, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Run, RunState, type WatchRunResponse } from '@medformer/gen/trainer';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Manifest, NAMESPACE } from '../src/harness/chart.js';
import { ROOT } from '../src/harness/services.js';
import { until } from '../src/harness/until.js';
import { Cluster } from './harness/cluster.js';
import { PodProcesses } from './harness/pod-processes.js';
import { type Control, MODEL, specOf, TrainerInstallation } from './harness/trainer-installation.js';

/** Long enough to be caught in the middle; a step takes some milliseconds. */
const LONG = 400;
const ENDLESS = 1_000_000;
const IN = ['--namespace', NAMESPACE];
const EVERY_CHECKPOINT = 20;

let cluster: Cluster;
let pods: PodProcesses;
let installed: TrainerInstallation;

beforeAll(async () => {
  const product = { 'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3' };
  cluster = await Cluster.start({
    nodes: [
      { name: 'gpu-0', labels: product, devices: { 'nvidia.com/gpu': 8 } },
      { name: 'cpu-0' },
      { name: 'cpu-1' },
    ],
  });
  installed = await TrainerInstallation.make(cluster);
  pods = await PodProcesses.start(cluster, NAMESPACE, {
    MEDFORMER_STORE: installed.storeUrl,
    MEDFORMER_DATA: installed.folder,
    MEDFORMER_HOST: '127.0.0.1',
    MEDFORMER_METRICS_PORT: '0',
    MEDFORMER_TRAINER_THREADS: '1',
  });
  await installed.control();
});
afterEach(async () => {
  while (installed.controls.length > 1) await installed.controls.pop()!.stop();
  await cluster.kubectl(['delete', 'jobs', '--all', ...IN]);
});
afterAll(async () => {
  await installed?.stop();
  await pods?.stop();
  await cluster?.stop();
});

describe('a run', () => {
  it('trains in a job on a GPU node, is followed from its queue to its end, and has no pod after it', async () => {
    const { run, state } = await start({ seed: 1, steps: 30 });
    const events = await watched(run);
    const states = events.flatMap((event) => (event.$case === 'state' ? [event.value] : []));

    expect(states.at(-1)).toMatchObject({ state: RunState.RUN_STATE_SUCCEEDED, step: 30n, failure: '' });
    // A watcher that comes late finds it running.
    expect(state).toBe(RunState.RUN_STATE_QUEUED);
    expect(events.some(({ $case }) => $case === 'progress' || $case === 'health')).toBe(true);
    const [pod] = await podsOf(run);
    expect(pod.spec.nodeName).toBe('gpu-0');
    expect(pod.spec.containers[0].resources.limits['nvidia.com/gpu']).toBe('8');
    await until('the job to be complete', async () =>
      (await jobOf(run))?.status.conditions?.find(isComplete),
    );
    // The job goes after a while; the run stays as it is.
    await cluster.kubectl(['delete', 'jobs', '--all', ...IN]);
    expect(await get(run)).toMatchObject({ state: RunState.RUN_STATE_SUCCEEDED, step: 30n });
    expect(await start({ seed: 1, steps: 30 })).toMatchObject({ state: RunState.RUN_STATE_SUCCEEDED });
    expect(await jobOf(run)).toBeUndefined();
  });

  it('waits while no GPU is free, says why in the scheduler’s words, and trains when one is', async () => {
    const first = await start({ seed: 2, steps: ENDLESS });
    await reaches(first.run, 1);
    const second = await start({ seed: 3, steps: 30 });
    const waiting = await until('the scheduler on the second run', async () => {
      const run = await get(second.run);
      return run.reason.includes('Insufficient') ? run : undefined;
    });

    expect(waiting.state).toBe(RunState.RUN_STATE_QUEUED);
    expect(waiting.reason).toMatch(/^0\/3 nodes are available: .*Insufficient nvidia\.com\/gpu/);
    await cancel(first.run);
    expect(await ended(second.run)).toMatchObject({ state: RunState.RUN_STATE_SUCCEEDED });
    expect(await ended(first.run)).toMatchObject({ state: RunState.RUN_STATE_CANCELLED });
  });

  it('is one job when two controls start it at once, and looks the same from both', async () => {
    const other = await installed.control();
    const spec = { seed: 4, steps: LONG };
    const [one, two] = await Promise.all([start(spec), start(spec, other)]);
    const [here, there] = await Promise.all([ended(one.run), ended(two.run, other)]);

    expect(one.run).toBe(two.run);
    expect(here).toMatchObject({ state: RunState.RUN_STATE_SUCCEEDED });
    expect(there).toEqual(here);
    expect(await podsOf(one.run)).toHaveLength(1);
  });

  it('goes on while its control is killed; the next one says the same, and its watchers see the end', async () => {
    const [first] = installed.controls.splice(0, 1);
    const { run } = await start({ seed: 5, steps: LONG * 2 }, first);
    await reaches(run, 10, first);
    first!.process.kill('SIGKILL');
    const next = await installed.control();
    const seen = await get(run, next);

    expect(seen).toMatchObject({ state: RunState.RUN_STATE_RUNNING });
    expect(seen.step).toBeGreaterThanOrEqual(10n);
    expect(seen.etaSeconds).toBeGreaterThan(0);
    expect(await ended(run, next)).toMatchObject({ state: RunState.RUN_STATE_SUCCEEDED });
    expect(await podsOf(run)).toHaveLength(1);
  });

  it('cancelled ends with a checkpoint of its last step, and goes on from there as if it had not been', async () => {
    const spec = { seed: 6, steps: LONG, checkpointEvery: LONG };
    const { run } = await start(spec);
    await reaches(run, 5);
    await cancel(run);
    const cancelled = await ended(run);

    expect(cancelled.state).toBe(RunState.RUN_STATE_CANCELLED);
    expect(cancelled.step).toBeGreaterThanOrEqual(5n);
    expect(cancelled.checkpoint).not.toBe('');
    await until('the job to go', async () => ((await jobOf(run)) ? undefined : true));
    await start(spec);
    const resumed = await ended(run);
    expect(resumed).toMatchObject({ state: RunState.RUN_STATE_SUCCEEDED });
    expect(resumed.checkpoint).toBe(await unbroken(run));
  });

  it('suspended gives its GPUs back and waits; resumed it goes on', async () => {
    const spec = { seed: 7, steps: LONG };
    const { run } = await start(spec);
    await reaches(run, 5);
    await installed.controls[0]!.call('suspendRun', { run });
    const suspended = await until('the pod to go', async () => {
      const active = (await podsOf(run)).filter(({ status }) => status.phase === 'Running');
      return active.length === 0 ? get(run) : undefined;
    });

    expect(suspended).toMatchObject({ state: RunState.RUN_STATE_QUEUED });
    expect(suspended.reason).toBe('suspended; ResumeRun lets it go on');
    expect(suspended.step).toBeGreaterThanOrEqual(5n);
    await expect(installed.controls[0]!.call('suspendRun', { run: 'f'.repeat(64) })).rejects.toThrow(
      'not in the store',
    );
    await installed.controls[0]!.call('resumeRun', { run });
    expect(await ended(run)).toMatchObject({ state: RunState.RUN_STATE_SUCCEEDED });
    expect((await get(run)).checkpoint).toBe(await unbroken(run));
  });

  it('of which the pod is killed starts again in another pod, from its last checkpoint', async () => {
    const spec = { seed: 8, steps: LONG };
    const { run } = await start(spec);
    await reaches(run, EVERY_CHECKPOINT + 5);
    const [killed] = await podsOf(run);
    pods.running.get(killed.metadata.name)!.signal('SIGKILL');
    const done = await ended(run);

    expect(done).toMatchObject({ state: RunState.RUN_STATE_SUCCEEDED, failure: '' });
    expect(pods.exits.get(killed.metadata.name)).toBe(137);
    expect(await podsOf(run)).toHaveLength(2);
    expect(done.checkpoint).toBe(await unbroken(run));
  });

  it('frozen with its node writes nothing once another pod has taken it over', async () => {
    const spec = { seed: 9, steps: LONG };
    const { run } = await start(spec);
    await reaches(run, EVERY_CHECKPOINT + 5);
    const [lost] = await podsOf(run);
    const frozen = pods.running.get(lost.metadata.name)!;
    frozen.signal('SIGSTOP');
    // As when a node is gone: its pod is taken off the books, its processes are not.
    await cluster.kubectl(['patch', 'pod', lost.metadata.name, ...IN, '--type=merge', '--patch', FORGOTTEN]);
    await cluster.kubectl([
      'delete',
      'pod',
      lost.metadata.name,
      ...IN,
      '--force',
      '--grace-period=0',
      '--wait=false',
    ]);
    await until('another pod at work', async () => {
      const run2 = await get(run);
      const others = (await podsOf(run)).filter(({ metadata }) => metadata.name !== lost.metadata.name);
      return others.length > 0 && run2.state === RunState.RUN_STATE_RUNNING ? true : undefined;
    });
    await reaches(run, 2 * EVERY_CHECKPOINT + 5);
    frozen.signal('SIGCONT');

    const done = await ended(run);
    expect(done).toMatchObject({ state: RunState.RUN_STATE_SUCCEEDED });
    expect(done.checkpoint).toBe(await unbroken(run));
    await until('the exit of the loser', () => pods.exits.get(lost.metadata.name));
    expect(pods.exits.get(lost.metadata.name)).toBe(4);
  });

  it('that cannot succeed fails at once, without another pod, and says why also when its job is gone', async () => {
    const { run } = await start({
      seed: 10,
      steps: 10,
      initial: { checkpoint: await anyCheckpoint() },
      model: OTHER,
    });
    const failed = await ended(run);

    expect(failed.state).toBe(RunState.RUN_STATE_FAILED);
    expect(failed.failure).toMatch(
      /^spec: model\.width: expected 24, as in the initial checkpoint, found 36$/,
    );
    expect(failed.failureCode).toBe('INVALID_ARGUMENT');
    expect(await podsOf(run)).toHaveLength(1);
    await until('the job to fail', async () => (await jobOf(run))?.status.conditions?.find(isFailed));
    await cluster.kubectl(['delete', 'jobs', '--all', ...IN]);
    expect(await get(run)).toEqual(failed);
  });
});

const OTHER = { ...MODEL, width: 36 };
const FORGOTTEN = JSON.stringify({ metadata: { finalizers: null } });
const isComplete = ({ type, status }: Manifest) => type === 'Complete' && status === 'True';
const isFailed = ({ type, status }: Manifest) => type === 'Failed' && status === 'True';

const present = (at: Control | undefined) => at ?? installed.controls[0]!;
const start = (change: object, at?: Control) =>
  present(at).call('startRun', { spec: specOf({ checkpointEvery: EVERY_CHECKPOINT, ...change }) });
const cancel = (run: string, at?: Control) => present(at).call('cancelRun', { run });
const get = (run: string, at?: Control) => present(at).call('getRun', { run });

type Event = NonNullable<WatchRunResponse['event']>;

async function watched(run: string, at?: Control): Promise<Event[]> {
  const events: Event[] = [];
  for await (const { event } of present(at).client.watchRun({ run }) as AsyncIterable<WatchRunResponse>)
    if (event) events.push(event);
  return events;
}

async function ended(run: string, at?: Control): Promise<Run> {
  const last = (await watched(run, at)).at(-1);
  if (last?.$case !== 'state') throw new Error(`run ${run} has no end`);
  return last.value;
}

async function reaches(run: string, step: number, at?: Control): Promise<void> {
  await until(
    `step ${step}`,
    async () => {
      const { step: now, state, failure } = await get(run, at);
      if (failure) throw new Error(failure);
      return state === RunState.RUN_STATE_RUNNING && Number(now) >= step ? true : undefined;
    },
    120_000,
  );
}

async function podsOf(run: string): Promise<Manifest[]> {
  return cluster.list('pods', [...IN, '--selector', `medformer.io/run=${run.slice(0, 32)}`]);
}

async function jobOf(run: string): Promise<Manifest | undefined> {
  return (await cluster.list('jobs', [...IN, '--selector', `medformer.io/run=${run.slice(0, 32)}`]))[0];
}

/** The final checkpoint of the same run in a store of its own, trained by one process without a break. */
async function unbroken(run: string): Promise<string> {
  const store = join(installed.folder, `unbroken-${run.slice(0, 8)}`);
  const spec = join('runs', run, 'spec.json');
  await cp(installed.store, store, {
    recursive: true,
    filter: (path) => !path.includes('/store/runs'),
  });
  await mkdir(join(store, 'runs', run), { recursive: true });
  await cp(join(installed.store, spec), join(store, spec));
  const env = { MEDFORMER_RUN: run, MEDFORMER_STORE: pathToFileURL(store).href, MEDFORMER_METRICS_PORT: '0' };
  await execa(process.execPath, [join(ROOT, 'services/trainer/dist/train-job.js')], {
    env: { ...env, MEDFORMER_TRAINER_THREADS: '1' },
  });
  const progress = await readFile(join(store, 'runs', run, 'progress/000001.json'), 'utf8');
  return JSON.parse(progress).checkpoint.checkpoint;
}

async function anyCheckpoint(): Promise<string> {
  const { run } = await start({ seed: 1, steps: 30 });
  return (await ended(run)).checkpoint;
}
