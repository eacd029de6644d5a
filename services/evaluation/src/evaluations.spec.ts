import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { credentials, type ServiceError, status } from '@grpc/grpc-js';
import { writeDataset } from '@medformer/dataset';
import {
  type CompareScoresResponse,
  type Evaluation,
  EvaluationServiceClient,
  EvaluationState,
  type GetEvaluationResponse,
  ReportFormat,
} from '@medformer/gen/evaluation';
import { collectGarbage, type ObjectStore, openObjectStore } from '@medformer/object-store';
import { freePort } from '@medformer/object-store/testing';
import { ScoreReport, sha256 } from '@medformer/schema';
import { useBackend } from '@medformer/tensorflow';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { cohort, description, untrained } from '../spec/tiny-cohort.js';

const {
  EVALUATION_STATE_CANCELLED: CANCELLED,
  EVALUATION_STATE_FAILED: FAILED,
  EVALUATION_STATE_INTERRUPTED: INTERRUPTED,
  EVALUATION_STATE_QUEUED: QUEUED,
  EVALUATION_STATE_RUNNING: RUNNING,
  EVALUATION_STATE_SUCCEEDED: SUCCEEDED,
} = EvaluationState;
const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
/** A crowded machine takes its time. */
const START_MS = 240_000;

let folder: string;
let store: ObjectStore;
let checkpoint: string;
let other: string;
let service: ChildProcess;
let client: EvaluationServiceClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'evaluations-'));
  store = await openObjectStore({ url: pathToFileURL(folder).href });
  const { hash: dataset } = await writeDataset(store, description(), cohort());
  await useBackend();
  checkpoint = await untrained(store, dataset, { name: 'simclr' }, 0);
  other = await untrained(store, dataset, { name: 'simclr' }, 7);
  await serve();
});
afterEach(async () => {
  if (service.signalCode !== null || service.exitCode !== null) await serve();
});
afterAll(async () => {
  await kill();
  await rm(folder, { recursive: true });
});

describe('an evaluation without its caller', () => {
  it('is one however often it is asked for, is watched by any number, and gives the report that a call gives', async () => {
    const [first, second] = await Promise.all([start(spec('One')), start(spec('One'))]);
    expect(second.evaluation).toBe(first.evaluation);
    expect(first).toMatchObject({ title: 'One', report: '' });
    expect([QUEUED, RUNNING]).toContain(first.state);

    const watched = await Promise.all([watch(first.evaluation), watch(first.evaluation)]);
    for (const views of watched) expect(views.at(-1)!.state).toBe(SUCCEEDED);
    const { evaluation, spec: stored } = await get(first.evaluation);
    expect(evaluation).toMatchObject({ state: SUCCEEDED, report: watched[0]!.at(-1)!.report });
    expect(stored).toMatchObject({ title: 'One', seeds: [0, 1] });
    // Found, not computed again, by both ways.
    expect(await start(spec('One'))).toMatchObject({ state: SUCCEEDED, report: evaluation!.report });
    expect((await evaluate(spec('One'))).hash).toBe(evaluation!.report);
    expect((await list()).filter(({ title }) => title === 'One')).toHaveLength(1);
  });

  it('that fails says why, and is tried again when it is asked for again', async () => {
    const head = { label: 'Head', protocol: 'head', checkpoints: [checkpoint] };
    const { evaluation } = await start({ ...spec('Fails'), entries: [head] });
    const failed = (await watch(evaluation)).at(-1)!;
    expect(failed).toMatchObject({ state: FAILED, failureCode: 'INVALID_ARGUMENT', report: '' });
    expect(failed.failure).toMatch(/protocol head: expected a checkpoint trained on labels/);
    expect((await get(evaluation)).evaluation).toMatchObject({ state: FAILED, failure: failed.failure });
    expect([QUEUED, RUNNING]).toContain((await start({ ...spec('Fails'), entries: [head] })).state);
    await watch(evaluation);
  });

  it('waits for its turn, is refused when too many wait, and is cancelled waiting or running', async () => {
    await kill();
    await serve({ 'evaluations-at-once': '1', 'evaluations-waiting': '1' });
    const running = await start(long('Running'));
    await until(running.evaluation, RUNNING);
    const waiting = await start(spec('Waiting'));
    expect(waiting.state).toBe(QUEUED);
    const refused = await start(spec('Too many')).catch((error: ServiceError) => error);
    expect(refused).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: '1 evaluations wait, at most 1 may',
    });
    for (const { evaluation } of [waiting, running]) {
      expect((await cancel(evaluation)).state).toBe(CANCELLED);
      expect((await watch(evaluation)).at(-1)!.state).toBe(CANCELLED);
    }
    expect((await list()).map(({ title }) => title)).not.toContain('Too many');
    // Asked for again it goes on.
    await start(spec('Waiting'));
    expect((await watch(waiting.evaluation)).at(-1)!.state).toBe(SUCCEEDED);
  });

  it('stays when a call that wanted its report leaves, and a call alone ends with its caller', async () => {
    const detached = await start(long('Kept'));
    const joined = await leaveAtFirst(long('Kept'));
    expect(joined).toMatchObject({ code: status.CANCELLED });
    expect((await get(detached.evaluation)).evaluation!.state).toBe(RUNNING);
    await cancel(detached.evaluation);

    await leaveAtFirst(long('Alone'));
    await expect
      .poll(async () => (await list()).find(({ title }) => title === 'Alone')?.state, { timeout: 30_000 })
      .toBe(CANCELLED);
  });

  it.each([
    ['killed', 'SIGKILL'],
    ['stopped', 'SIGTERM'],
  ] as const)(
    'whose service is %s is interrupted, leaves no report, and goes on when asked again',
    async (title, signal) => {
      const asked = { ...long(title), entries: [entry('First', checkpoint), entry('Second', other)] };
      const { evaluation } = await start(asked);
      for await (const { evaluation: view } of client.watchEvaluation({ evaluation }))
        if (view!.progress?.stage.startsWith('Second')) break;
      await kill(signal);
      const reports = async () => {
        const keys: string[] = [];
        for await (const { key } of store.list('report')) keys.push(key);
        return keys;
      };
      const before = await reports();
      await serve();
      expect((await get(evaluation)).evaluation).toMatchObject({ state: INTERRUPTED, report: '' });
      expect((await watch(evaluation)).map(({ state }) => state)).toEqual([INTERRUPTED]);
      expect(await reports()).toEqual(before);

      const again = await start({ ...asked });
      expect(again.evaluation).toBe(evaluation);
      const stages: string[] = [];
      for await (const { evaluation: view } of client.watchEvaluation({ evaluation }))
        stages.push(view!.progress?.stage ?? '');
      expect((await get(evaluation)).evaluation!.state).toBe(SUCCEEDED);
    },
  );

  it('is unknown by another name', async () => {
    for (const [id, code] of [
      ['f'.repeat(64), status.NOT_FOUND],
      ['../datasets', status.INVALID_ARGUMENT],
    ] as const) {
      await expect(get(id)).rejects.toMatchObject({ code });
      await expect(watch(id)).rejects.toMatchObject({ code });
      await expect(cancel(id)).rejects.toMatchObject({ code });
    }
  });
});

describe('the files of a report', () => {
  it('are stored at their own hash, named with their type, and outlive a collection of garbage', async () => {
    const { hash, report } = await evaluate(spec('Files'));
    await collectGarbage(store, { olderThanMs: 0 });
    const html = await file(hash, ReportFormat.REPORT_FORMAT_HTML);
    expect(html).toMatchObject({ name: 'report.html', mediaType: 'text/html; charset=utf-8' });
    expect(html.bytes.toString()).toContain('Files · Medformer score report');
    const csv = await file(hash, ReportFormat.REPORT_FORMAT_CSV);
    expect(csv).toMatchObject({ name: 'scores.csv', mediaType: 'text/csv; charset=utf-8' });
    expect(csv.bytes.toString().split('\r\n')[1]).toBe(
      `tiny,region,test,SimCLR,knn,auc,0,${[report.rows[0]!.auc.values[0], report.rows[0]!.auc.mean, report.rows[0]!.auc.std]},,`,
    );
    const json = await file(hash, ReportFormat.REPORT_FORMAT_JSON);
    expect(json).toMatchObject({ name: 'report.json', mediaType: 'application/json', sha256: hash });
    for (const { bytes, sha256: stated } of [html, csv, json]) expect(sha256(bytes)).toBe(stated);
  });

  it('are made of a report from before it had any, and not of what is no report', async () => {
    const { hash } = await evaluate(spec('Before'));
    const known = await file(hash, ReportFormat.REPORT_FORMAT_CSV);
    await store.delete(`report-files/${hash}.json`);
    expect(await file(hash, ReportFormat.REPORT_FORMAT_CSV)).toEqual(known);
    await expect(file('f'.repeat(64), ReportFormat.REPORT_FORMAT_CSV)).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
    await expect(file(hash, ReportFormat.REPORT_FORMAT_UNSPECIFIED)).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: 'request: format: expected html, json or csv, found REPORT_FORMAT_UNSPECIFIED',
    });
  });
});

describe('CompareScores', () => {
  it('tests rows of different reports as one report does that has both', async () => {
    const rows = [entry('A', checkpoint), entry('B', other)];
    const together = await evaluate({ ...spec('Both'), entries: rows, compare: [[0, 1]] });
    const [a, b] = [
      await evaluate({ ...spec('A'), entries: [rows[0]] }),
      await evaluate({ ...spec('B'), entries: [rows[1]] }),
    ];
    const compared = await compare([
      { report: a.hash, row: 0 },
      { report: b.hash, row: 0 },
    ]);

    expect(compared).toMatchObject({ images: 30, subjects: 10 });
    expect(compared.rows.map(({ label, auc }) => [label, auc])).toEqual(
      together.report.rows.map(({ label, auc }) => [label, auc.mean]),
    );
    expect(
      compared.tests.map(({ metric, test, difference, low, p }) => [metric, test, difference, low, p]),
    ).toEqual(
      together.report.tests.map(({ metric, test, difference, interval, p }) => [
        ...[metric, test, difference, interval?.low, p],
      ]),
    );
    expect(compared.tests.length).toBeGreaterThan(0);
  });

  it('refuses one row, a row that is not there, and rows of another task', async () => {
    const { hash: report } = await evaluate(spec('Region'));
    const finding = await evaluate({ ...spec('Finding'), task: 'finding' });
    await expect(compare([{ report, row: 0 }])).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    await expect(compare([0, 5].map((row) => ({ report, row })))).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: 'request: rows.1.row: expected a position below 1, found 5',
    });
    await expect(
      compare([report, finding.hash].map((named) => ({ report: named, row: 0 }))),
    ).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: expect.stringMatching(/^rows\.1 \(SimCLR, knn\): expected the task of rows\.0/),
    });
  });
});

/** The service as a process of its own, which can be killed. */
async function serve(settings: Record<string, string> = {}): Promise<void> {
  const port = await freePort();
  const all = {
    store: pathToFileURL(folder).href,
    port,
    'metrics-port': 0,
    'log-level': 'fatal',
    'evaluation-threads': '1',
    'drain-timeout-ms': '200',
    ...settings,
  };
  const argv = Object.entries(all).flatMap(([key, value]) => [`--${key}`, String(value)]);
  // Of one version, whoever builds meanwhile.
  const env = { ...process.env, MEDFORMER_CODE_VERSION: 'test' };
  service = fork(MAIN, argv, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  client = new EvaluationServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
  await new Promise<void>((resolve, reject) =>
    client.waitForReady(Date.now() + START_MS, (error) => (error ? reject(error) : resolve())),
  );
}

async function kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  client.close();
  if (service.exitCode !== null || service.signalCode !== null) return;
  service.kill(signal);
  await once(service, 'exit');
}

function spec(title: string) {
  return {
    title,
    dataset: 'tiny',
    task: 'region',
    labelsPerClass: 5,
    seeds: [0, 1],
    entries: [entry('SimCLR', checkpoint)],
  };
}

/** Takes seconds: resamples of every row. */
function long(title: string) {
  return {
    ...spec(title),
    seeds: Array.from({ length: 40 }, (_, seed) => seed),
    intervals: { resamples: 2000 },
  };
}

function entry(label: string, of: string) {
  return { label, protocol: 'knn', checkpoints: [of] };
}

function answer<Response>(ask: (done: (error: ServiceError | null, response: Response) => void) => void) {
  return new Promise<Response>((resolve, reject) =>
    ask((error, response) => (error ? reject(error) : resolve(response))),
  );
}

const start = async (asked: object) =>
  (
    await answer<{ evaluation: Evaluation | undefined }>((done) =>
      client.startEvaluation({ spec: asked as never }, done),
    )
  ).evaluation!;
const get = (evaluation: string) =>
  answer<GetEvaluationResponse>((done) => client.getEvaluation({ evaluation }, done));
const cancel = async (evaluation: string) =>
  (
    await answer<{ evaluation: Evaluation | undefined }>((done) =>
      client.cancelEvaluation({ evaluation }, done),
    )
  ).evaluation!;
const list = async () =>
  (await answer<{ evaluations: Evaluation[] }>((done) => client.listEvaluations({ limit: 0 }, done)))
    .evaluations;
const compare = (rows: { report: string; row: number }[]) =>
  answer<CompareScoresResponse>((done) => client.compareScores({ rows }, done));

async function watch(evaluation: string): Promise<Evaluation[]> {
  const views: Evaluation[] = [];
  for await (const { evaluation: view } of client.watchEvaluation({ evaluation })) views.push(view!);
  return views;
}

async function until(evaluation: string, state: EvaluationState): Promise<void> {
  for await (const { evaluation: view } of client.watchEvaluation({ evaluation }))
    if (view!.state === state) return;
}

async function evaluate(asked: object): Promise<{ hash: string; report: ScoreReport }> {
  for await (const { event } of client.evaluate({ spec: asked as never }))
    if (event?.$case === 'finished')
      return { hash: event.value.report, report: ScoreReport.parse(event.value.record) };
  throw new Error('no report came');
}

async function leaveAtFirst(asked: object): Promise<unknown> {
  const call = client.evaluate({ spec: asked as never });
  const failed = new Promise((resolve) => call.on('error', resolve));
  call.once('data', () => call.cancel());
  return failed;
}

async function file(report: string, format: ReportFormat) {
  let named: { name: string; mediaType: string; sha256: string } | undefined;
  const chunks: Buffer[] = [];
  for await (const { part } of client.readReportFile({ report, format })) {
    if (part?.$case === 'file') {
      const { name, mediaType, sha256: stated } = part.value;
      named = { name, mediaType, sha256: stated };
    } else if (part) chunks.push(part.value);
  }
  return { ...named!, bytes: Buffer.concat(chunks) };
}
