import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { credentials, status } from '@grpc/grpc-js';
import { listCheckpoints, loadCheckpoint } from '@medformer/checkpoint';
import { writeDataset } from '@medformer/dataset';
import {
  type GetCapacityResponse,
  type GetRunResponse,
  type ReplayFailedStepResponse,
  type Run,
  RunState,
  TrainerServiceClient,
  type WatchRunResponse,
} from '@medformer/gen/trainer';
import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import { baseConfig, type RunningService, runService } from '@medformer/rpc';
import { LoadReport, RunSpec, sha256 } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cohort, description, MODEL, specOf } from '../spec/stripes.js';
import { trainerConfig } from './config.js';
import { trainer } from './index.js';

/** Long enough to be caught in the middle. */
const LONG = 120;
/** For runs that are stopped, however late the machine gets to it. */
const ENDLESS = 100_000;

let folder: string;
let store: ObjectStore;
let dataset: string;
let service: RunningService;
let client: TrainerServiceClient;
/** The first run of this file, and how it ended. */
let first: { started: Run; events: Event[] };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainer-'));
  await serve('store');
  const started = await start({ seed: 1, steps: 6, checkpointEvery: 4 });
  first = { started, events: await watch(started.run) };
});
afterAll(async () => {
  await stop();
  await rm(folder, { recursive: true });
});

describe('a run', () => {
  it('trains, and ends with a checkpoint that names it', async () => {
    const { started, events } = first;
    const states = events.flatMap((event) => (event.$case === 'state' ? [event.value] : []));

    expect(started).toMatchObject({ step: 0n, steps: 6n, method: 'simclr', checkpoint: '', failure: '' });
    expect(states.at(-1)).toMatchObject({ state: RunState.RUN_STATE_SUCCEEDED, step: 6n, failure: '' });
    const steps = events.flatMap((event) => (event.$case === 'progress' ? [Number(event.value.step)] : []));
    expect(new Set(steps).size).toBe(steps.length);
    expect(steps).toEqual([...steps].sort((x, y) => x - y));
    const { record } = await loadCheckpoint(store, states.at(-1)!.checkpoint);
    expect(record).toMatchObject({
      run: started.run,
      dataset,
      step: 6,
      codes: { modalities: ['ct', 'mri'] },
    });
    expect(record.history.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect((await listCheckpoints(store, started.run)).map(({ step }) => step)).toEqual([4, 6]);
  });

  it('of one modality sees its images and has a code for it alone; one that no image has is refused by name', async () => {
    const spec = { steps: 1, seed: 7, modalities: ['mri'] };
    const run = await start(spec);
    const states = (await watch(run.run)).flatMap((event) => (event.$case === 'state' ? [event.value] : []));
    const { record } = await loadCheckpoint(store, states.at(-1)!.checkpoint);
    expect(record.codes.modalities).toEqual(['mri']);

    await expect(start({ ...spec, modalities: ['mri', 'pet'] })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(/modalities: no image of pet in .*; there are: ct, mri/),
    });
  });

  it('gives its record back', async () => {
    const { spec, run } = await get(first.started.run);

    expect(run?.state).toBe(RunState.RUN_STATE_SUCCEEDED);
    expect(RunSpec.parse(spec)).toMatchObject({ dataset, seed: 1, steps: 6, batchSize: 8, model: MODEL });
  });

  it('is one run when it is started twice, also at once, and done when it is started again', async () => {
    const stepsBefore = await metric('medformer_trainer_steps_total');
    const spec = { seed: 2, steps: 3 };
    const [one, other] = await Promise.all([start(spec), start({ ...spec, dataset })]);
    await ended(one.run);
    const again = await start(spec);

    expect(other.run).toBe(one.run);
    expect(again).toMatchObject({ run: one.run, state: RunState.RUN_STATE_SUCCEEDED });
    // One process trained, once.
    expect((await metric('medformer_trainer_steps_total')) - stepsBefore).toBe(3);
  });

  // Four processes start, one after the other: on a busy machine that is minutes.
  it('cancelled, then killed, ends as if neither had happened', async () => {
    const spec = { seed: 3, steps: LONG, checkpointEvery: 10 };
    const { run } = await start(spec);
    await reaches(run, 5);
    await cancel(run);
    const cancelled = await ended(run);

    expect(cancelled).toMatchObject({ state: RunState.RUN_STATE_CANCELLED, failure: '' });
    const stopped = Number(cancelled.step);
    expect(stopped).toBeGreaterThanOrEqual(5);
    expect(stopped).toBeLessThan(LONG);
    expect((await loadCheckpoint(store, cancelled.checkpoint)).record.step).toBe(stopped);

    await start(spec);
    await reaches(run, stopped + 12);
    for (const pid of trainingProcesses()) process.kill(pid, 'SIGKILL');
    expect(await ended(run)).toMatchObject({
      state: RunState.RUN_STATE_FAILED,
      failure: 'training process died by SIGKILL',
    });

    await start(spec);
    const finished = await ended(run);
    expect(finished).toMatchObject({ state: RunState.RUN_STATE_SUCCEEDED, step: BigInt(LONG), failure: '' });

    // The same data in another store gives the same run.
    await serve('other');
    const unbroken = await start(spec);
    expect(await ended(unbroken.run)).toEqual(finished);
    await serve('store');
  }, 600_000);

  it('waits for the one before it, and can be cancelled while it waits', async () => {
    const { run } = await start({ seed: 5, steps: ENDLESS });
    await reaches(run, 1);
    const second = await start({ seed: 6, steps: ENDLESS });

    expect(await capacity()).toEqual({ runsAtOnce: 1 });
    expect(second.state).toBe(RunState.RUN_STATE_QUEUED);
    expect((await cancel(second.run)).state).toBe(RunState.RUN_STATE_CANCELLED);
    await cancel(run);
    expect((await ended(run)).state).toBe(RunState.RUN_STATE_CANCELLED);
    expect(await ended(second.run)).toMatchObject({
      state: RunState.RUN_STATE_CANCELLED,
      step: 0n,
      checkpoint: '',
    });
  });

  it('suspended waits with a checkpoint, lets the next one train, and goes on when it is resumed', async () => {
    const { run } = await start({ seed: 13, steps: ENDLESS, checkpointEvery: 1000 });
    await reaches(run, 3);
    const logs = readLogs(run);
    await suspend(run);
    const other = await start({ seed: 14, steps: 1 });
    expect((await ended(other.run)).state).toBe(RunState.RUN_STATE_SUCCEEDED);
    const waiting = (await get(run)).run!;

    expect(waiting).toMatchObject({
      state: RunState.RUN_STATE_QUEUED,
      reason: 'suspended; ResumeRun lets it go on',
    });
    expect((await loadCheckpoint(store, waiting.checkpoint)).record.step).toBe(Number(waiting.step));
    await expect(suspend(other.run)).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
    await resume(run);
    await expect(resume(run)).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
    await reaches(run, Number(waiting.step) + 1);
    await cancel(run);
    expect((await ended(run)).state).toBe(RunState.RUN_STATE_CANCELLED);
    const log = await logs;
    for (const message of ['started', 'checkpoint written']) expect(log).toContain(`"msg":"${message}"`);
    // The reason outlives the service.
    await serve('store');
    expect((await get(run)).run).toMatchObject({ state: RunState.RUN_STATE_CANCELLED, reason: '' });
    expect((await get(run)).progress!.loss).toBeGreaterThan(0);
    await expect(readLogs(run)).rejects.toMatchObject({ code: status.NOT_FOUND });
  });

  it('ends with a checkpoint when its service stops, tells its watchers, and is found interrupted', async () => {
    const { run } = await start({ seed: 8, steps: ENDLESS, checkpointEvery: 1000 });
    const watched = watch(run);
    await reaches(run, 3);
    await serve('store');

    expect((await watched).at(-1)).toMatchObject({ value: { state: RunState.RUN_STATE_INTERRUPTED } });
    const runs = new Map((await list()).map((each) => [each.run, each]));
    expect(runs.get(first.started.run)).toMatchObject({ state: RunState.RUN_STATE_SUCCEEDED, step: 6n });
    const interrupted = runs.get(run)!;
    expect(interrupted.state).toBe(RunState.RUN_STATE_INTERRUPTED);
    expect(interrupted.step).toBeGreaterThanOrEqual(3n);
    expect((await loadCheckpoint(store, interrupted.checkpoint)).record.step).toBe(Number(interrupted.step));
    expect(await ended(run)).toEqual(interrupted);
  });

  it('scores its features online and ends where they get no better, also for a service that starts later', async () => {
    const { run } = await start({
      seed: 9,
      steps: LONG,
      monitor: { task: 'region', every: 2, protocols: ['knn', 'linear-probe'], labelsPerClass: 5 },
      // No accuracy rises by as much: the run ends one patience after its first score.
      earlyStop: { metric: 'knn-accuracy', patience: 4, minDelta: 1 },
    });
    const events = await watch(run);

    const progress = events.flatMap((event) => (event.$case === 'progress' ? [event.value] : []));
    expect(progress.at(-1)).toMatchObject({ step: 6n, onlineStep: 6n });
    expect(progress.at(-1)!.online.map(({ protocol }) => protocol)).toEqual(['knn', 'linear-probe']);
    const { result, run: found } = await get(run);
    expect(found).toMatchObject({ state: RunState.RUN_STATE_SUCCEEDED, step: 6n, steps: BigInt(LONG) });
    expect(result).toEqual({
      loss: expect.closeTo(progress.at(-1)!.loss, 0),
      online: progress.at(-1)!.online,
      onlineStep: 6n,
    });
    const { history } = (await loadCheckpoint(store, found!.checkpoint)).record;
    expect(history.flatMap(({ step, online }) => (online ? [step] : []))).toEqual([2, 4, 6]);
    const knn = history.at(-1)!.online!.knn!;
    expect(result!.online[0]).toEqual({ protocol: 'knn', ...knn });
    expect(await metric('medformer_trainer_online_accuracy')).toBeCloseTo(
      knn.accuracy + history.at(-1)!.online!['linear-probe']!.accuracy,
      9,
    );
    await serve('store');
    expect((await get(run)).run).toEqual(found);
    expect((await start((await get(run)).spec!)).state).toBe(RunState.RUN_STATE_SUCCEEDED);
  });

  it('says where its loss starts and how low it can go, to watchers, as a metric and from its checkpoint', async () => {
    const health = first.events.flatMap((event) => (event.$case === 'health' ? [event.value] : []));
    const start = Math.log(2 * 8 - 1);

    expect(health.at(-1)).toMatchObject({ expectedLoss: { start, collapsed: start }, warnings: [] });
    expect(health.at(-1)!.expectedLoss!.floor).toBeLessThan(start);
    const ranks = first.events.flatMap((event) =>
      event.$case === 'progress' ? [event.value.effectiveRank] : [],
    );
    expect(ranks.every((rank) => rank >= 1 && rank <= 16)).toBe(true);
    expect(await metricText()).toContain(
      `medformer_trainer_expected_loss{method="simclr",bound="start"} ${start}`,
    );
    expect(await metric('medformer_trainer_collapsed')).toBe(0);
    await serve('store');
    const found = await get(first.started.run);
    expect(found.health).toEqual({ ...health.at(-1), warnings: [] });
  });

  it('that collapses fails there when it was told to, and its watchers learn of it', async () => {
    const { run } = await start({
      seed: 11,
      steps: LONG,
      optimiser: { learningRate: 0.01, weightDecay: 90, warmupSteps: 0, schedule: { name: 'constant' } },
      method: { name: 'simclr', projection: [16, 8], batching: 'mixed', temperature: 20 },
      health: { onCollapse: 'stop', window: 5 },
    });
    const events = await watch(run);
    const health = events.flatMap((event) => (event.$case === 'health' ? [event.value] : []));

    expect(await ended(run)).toMatchObject({
      state: RunState.RUN_STATE_FAILED,
      failure: expect.stringMatching(/^step \d+: collapsed: for 5 steps all images/),
    });
    expect(health.at(-1)).toMatchObject({ collapsed: true });
    expect(health.at(-1)!.collapsedStep).toBeGreaterThanOrEqual(5n);
    expect(await metric('medformer_trainer_collapsed')).toBe(1);
    await serve('store');
    expect((await get(run)).health).toMatchObject({ collapsed: true });
  });

  it('that meets what is not finite keeps the step, which can be replayed', async () => {
    const { run } = await start({
      seed: 12,
      steps: LONG,
      optimiser: { learningRate: 1e30, warmupSteps: 0, clipNorm: 0 },
    });
    const { failure, state } = await ended(run);
    const [, kept] = /the step is kept as ([0-9a-f]{64}), to be replayed$/.exec(failure)!;

    expect(state).toBe(RunState.RUN_STATE_FAILED);
    expect(await metric('medformer_trainer_failed_steps_total')).toBe(1);
    const replayed = await replay({ run });
    expect(replayed).toMatchObject({ failedStep: kept, images: expect.any(Array) });
    expect(replayed.images).toHaveLength(8);
    expect(Number.isFinite(replayed.loss)).toBe(false);
    expect(Number.isFinite(replayed.runLoss)).toBe(false);
    expect(replayed.terms.map(({ name }) => name)).toEqual(['alignment', 'uniformity']);
    expect(replayed.op).toMatchObject({ backward: false, near: expect.stringMatching(/^(input|body)\//) });
    expect(replayed.badGradients).toBeGreaterThan(0);
    expect(await replay({ run, failedStep: kept! })).toEqual(replayed);
    await expect(replay({ run: first.started.run })).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: `run ${first.started.run}: has no failed step`,
    });
    await expect(replay({ run: first.started.run, failedStep: kept! })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(/^request: failed_step: expected a step of run/),
    });
  });

  it('has no result before its first checkpoint', async () => {
    const { run } = await start({ seed: 10, steps: ENDLESS, checkpointEvery: 1000 });

    expect((await get(run)).result).toBeUndefined();
    await cancel(run);
    await ended(run);
  });

  it('of labels starts from the body of another, says of each tensor what became of it, and refuses one of another shape', async () => {
    const { checkpoint } = (await get(first.started.run)).run!;
    const supervised = { steps: 2, method: { name: 'supervised', task: 'finding' }, initial: { checkpoint } };
    const { run } = await start(supervised);
    const events = await watch(run);

    expect(events.at(-1)).toMatchObject({ value: { state: RunState.RUN_STATE_SUCCEEDED } });
    const { run: tuned, loaded } = await get(run);
    const { weights, record } = await loadCheckpoint(store, tuned!.checkpoint);
    expect(record.codes.tasks).toEqual(['finding']);
    expect(weights.get('output/heads/finding/weight')?.shape).toEqual([24, 2]);
    expect(events.flatMap((event) => (event.$case === 'loaded' ? [event.value] : []))).toEqual([loaded]);
    const report = LoadReport.parse(loaded);
    const { parts } = (await loadCheckpoint(store, checkpoint)).record;
    expect(report.matched.map(({ name }) => name)).toEqual(expect.arrayContaining(parts.body));
    expect(report.leftBehind.map(({ name }) => name)).toEqual(parts.method);
    expect(report.fresh.map(({ name }) => name)).toContain('output/heads/finding/weight');
    expect([...report.missing, ...report.unexpected, ...report.misshapen]).toEqual([]);
    expect((await get(first.started.run)).checkpoints.at(-1)!.keptAs).toEqual(['last', 'referred']);

    const misfit = await start({ ...supervised, model: { ...MODEL, width: 36 } });
    expect(await ended(misfit.run)).toMatchObject({
      state: RunState.RUN_STATE_FAILED,
      failure: 'spec: model.width: expected 24, as in the initial checkpoint, found 36',
    });
    const deeper = await start({
      ...supervised,
      model: { ...MODEL, depth: 2 },
      initial: { checkpoint, allow: ['body/blocks-9/*'] },
    });
    expect((await ended(deeper.run)).failure).toMatch(
      /^initial checkpoint \w+: body\/\S+: missing \[.*; initial\.allow names tensors that may differ$/,
    );
    await expect(start({ ...supervised, initial: { checkpoint: sha256('none') } })).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: `checkpoint ${sha256('none')}: not in the store`,
    });
  });

  it('keeps its first, its best and its last checkpoint, and says why', async () => {
    const { run } = await start({
      seed: 11,
      steps: 8,
      checkpointEvery: 2,
      monitor: { task: 'region', every: 2, labelsPerClass: 5 },
      keep: { last: 1, best: 'knn-auc', initial: true },
    });
    const { checkpoint } = await ended(run);

    const { history } = (await loadCheckpoint(store, checkpoint)).record;
    const scores = history.flatMap(({ step, online }) => (online ? [{ step, auc: online.knn!.auc }] : []));
    const best = scores.reduce((found, score) => (score.auc > found.auc ? score : found));
    const { checkpoints } = await get(run);
    expect(checkpoints.map(({ step, keptAs }) => [Number(step), ...keptAs])).toEqual(
      best.step === 8
        ? [
            [0, 'initial'],
            [8, 'best', 'last'],
          ]
        : [
            [0, 'initial'],
            [best.step, 'best'],
            [8, 'last'],
          ],
    );
    expect(checkpoints.find(({ keptAs }) => keptAs.includes('best'))!.value).toBe(best.auc);
    for (const each of checkpoints) {
      const { record } = await loadCheckpoint(store, each.checkpoint);
      expect(record.step).toBe(Number(each.step));
      expect(record.runtime).toMatchObject({ threads: 1, node: process.versions.node });
    }
  });
});

describe('a request', () => {
  it.each([
    [
      'without a data set',
      { dataset: undefined },
      status.INVALID_ARGUMENT,
      /^request: spec\.dataset: expected a name/,
    ],
    [
      'for an unknown data set',
      { dataset: 'nowhere' },
      status.NOT_FOUND,
      /^dataset nowhere: not in the store$/,
    ],
    [
      'for an unknown task',
      { method: { name: 'supervised', task: 'lesion' } },
      status.INVALID_ARGUMENT,
      /^method\.task: dataset stripes has no task lesion; it has: region, finding, signs$/,
    ],
    [
      'for a task of many labels per image by a method that learns one',
      { method: { name: 'consistency', task: 'signs', teacher: 'none' } },
      status.INVALID_ARGUMENT,
      /^method\.task: signs is multi-label; consistency needs one class per image$/,
    ],
    [
      'for an unknown method',
      { method: { name: 'rotation' } },
      status.INVALID_ARGUMENT,
      /^spec: method\.name: /,
    ],
    [
      'to monitor an unknown task',
      { monitor: { task: 'lesion' } },
      status.INVALID_ARGUMENT,
      /^monitor\.task: dataset stripes has no task lesion; it has: region, finding, signs$/,
    ],
    [
      'to end early by what is not monitored',
      { earlyStop: { patience: 3, metric: 'knn-auc' } },
      status.INVALID_ARGUMENT,
      /^spec: earlyStop\.metric: expected loss, or a protocol/,
    ],
    [
      'with a key of another optimiser',
      { optimiser: { name: 'sgd', beta1: 0.9 } },
      status.INVALID_ARGUMENT,
      /^spec: optimiser\.beta1: no such key$/,
    ],
    ['for no steps', { steps: 0 }, status.INVALID_ARGUMENT, /^spec: steps: /],
    ['for an unknown model', { model: 'huge' }, status.INVALID_ARGUMENT, /^spec: model: /],
  ])('%s is refused, naming the key', async (_, change, code, details) => {
    await expect(start({ steps: 1, ...change })).rejects.toMatchObject({
      code,
      details: expect.stringMatching(details),
    });
  });

  it('about an unknown run is refused', async () => {
    const id = sha256('no run');

    await expect(get(id)).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: `run ${id}: not in the store`,
    });
    await expect(get('abc')).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    await expect(cancel(id)).rejects.toMatchObject({ code: status.NOT_FOUND });
    await expect(watch(id)).rejects.toMatchObject({ code: status.NOT_FOUND });
  });
});

describe('a data set with one image in two splits', () => {
  it('is refused before the first step, by name, at once when asked again, and trained on when allowed', async () => {
    const images = cohort();
    // A training image under another id among the images to test on.
    Object.assign(images[31]!, { pixels: images[4]!.pixels.slice() });
    await writeDataset(store, { ...description(), name: 'leaking' }, images);
    const spec = { dataset: 'leaking', seed: 70, steps: 2 };
    const message = `dataset leaking: 1 pair of images stands in two splits: ${images[4]!.id} (train) and ${images[31]!.id} (test) have equal pixels. Scores on such a split would be too high. Mend the splits, or allow it by \`leakage: warn\` in the run's spec; \`medformer datasets report\` shows the pairs`;

    const { run } = await start(spec);
    expect(await ended(run)).toMatchObject({
      state: RunState.RUN_STATE_FAILED,
      step: 0n,
      failure: message,
      failureCode: 'FAILED_PRECONDITION',
    });
    await expect(start(spec)).rejects.toMatchObject({ code: status.FAILED_PRECONDITION, details: message });

    const allowed = await start({ ...spec, leakage: 'warn' });
    expect(allowed.run).toBe(run);
    expect(await ended(run)).toMatchObject({
      state: RunState.RUN_STATE_SUCCEEDED,
      failure: '',
      failureCode: '',
    });
    const { health } = await get(run);
    expect(health?.warnings[0]).toContain('stands in two splits');
  });
});

function start(change: object): Promise<Run> {
  return new Promise((resolve, reject) =>
    client.startRun({ spec: specOf(change) }, (error, response) =>
      error ? reject(error) : resolve(response.run!),
    ),
  );
}

function cancel(run: string): Promise<Run> {
  return new Promise((resolve, reject) =>
    client.cancelRun({ run }, (error, response) => (error ? reject(error) : resolve(response.run!))),
  );
}

function capacity(): Promise<GetCapacityResponse> {
  return new Promise((resolve, reject) =>
    client.getCapacity({}, (error, response) => (error ? reject(error) : resolve(response))),
  );
}

function suspend(run: string): Promise<unknown> {
  return new Promise((resolve, reject) =>
    client.suspendRun({ run }, (error, response) => (error ? reject(error) : resolve(response.run))),
  );
}

function resume(run: string): Promise<unknown> {
  return new Promise((resolve, reject) =>
    client.resumeRun({ run }, (error, response) => (error ? reject(error) : resolve(response.run))),
  );
}

/** Everything that the run's process writes, until it ends. */
async function readLogs(run: string): Promise<string> {
  let log = '';
  for await (const { text } of client.streamRunLogs({ run, follow: true, tailLines: 0, rank: 0 }))
    log += text;
  return log;
}

function get(run: string): Promise<GetRunResponse> {
  return new Promise((resolve, reject) =>
    client.getRun({ run }, (error, response) => (error ? reject(error) : resolve(response))),
  );
}

function replay(request: { run: string; failedStep?: string }): Promise<ReplayFailedStepResponse> {
  return new Promise((resolve, reject) =>
    client.replayFailedStep({ failedStep: '', ...request }, (error, response) =>
      error ? reject(error) : resolve(response),
    ),
  );
}

function list(): Promise<Run[]> {
  return new Promise((resolve, reject) =>
    client.listRuns({}, (error, response) => (error ? reject(error) : resolve(response.runs))),
  );
}

type Event = NonNullable<WatchRunResponse['event']>;

async function watch(run: string): Promise<Event[]> {
  const events: Event[] = [];
  for await (const { event } of client.watchRun({ run })) events.push(event);
  return events;
}

/** The run when it has ended. */
async function ended(run: string): Promise<Run> {
  const last = (await watch(run)).at(-1);
  if (last?.$case !== 'state') throw new Error(`run ${run} has no end`);
  return last.value;
}

async function reaches(run: string, step: number): Promise<void> {
  const call = client.watchRun({ run });
  call.on('error', () => undefined);
  for await (const { event } of call as AsyncIterable<WatchRunResponse>) {
    if (event?.$case !== 'progress' || Number(event.value.step) < step) continue;
    call.cancel();
    return;
  }
  throw new Error(`run ${run} ended before step ${step}`);
}

/** The service, started again, on the store of this name, which holds the data set. */
async function serve(name: string): Promise<void> {
  if (service) await stop();
  const url = pathToFileURL(join(folder, name)).href;
  store = await openObjectStore({ url });
  dataset = (await writeDataset(store, description(), cohort())).hash;
  const config = baseConfig
    .extend(trainerConfig)
    .parse({ store: url, port: 0, metricsPort: 0, logLevel: 'fatal', trainerThreads: 1 });
  service = await runService('trainer', [trainer], config);
  client = new TrainerServiceClient(`127.0.0.1:${service.port}`, credentials.createInsecure());
}

async function stop(): Promise<void> {
  await service.close();
  client.close();
}

/** Of this test's own training processes. */
function trainingProcesses(): number[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => {
    const [pid, parent] = line.trim().split(/\s+/).map(Number);
    return parent === process.pid && line.includes('training-process.js') ? [pid!] : [];
  });
}

async function metricText(): Promise<string> {
  return (await fetch(`http://127.0.0.1:${service.metricsPort}/metrics`)).text();
}

async function metric(name: string): Promise<number> {
  return (await metricText())
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
