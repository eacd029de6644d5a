import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { credentials, type ServiceError, status } from '@grpc/grpc-js';
import { getEmbeddingMoments, isPromoted, isReferred } from '@medformer/checkpoint';
import { type DatasetImage, putFusionQuality, writeDataset } from '@medformer/dataset';
import { auc } from '@medformer/evaluators';
import { DataType } from '@medformer/gen/common';
import {
  type DeepPartial,
  type EvaluateResponse,
  EvaluationServiceClient,
  type GetReportResponse,
  type ListPromotionsResponse,
  type PromoteCheckpointResponse,
  RenderReportRequest,
  ScoresFormat,
} from '@medformer/gen/evaluation';
import { INPUT_STATISTICS } from '@medformer/medformer';
import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import { baseConfig, type RunningService, runService } from '@medformer/rpc';
import {
  type FusionQuality,
  FusionSpec,
  Promotion,
  Rng,
  ScoreReport,
  type Split,
  sha256,
} from '@medformer/schema';
import { useBackend } from '@medformer/tensorflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cohort, description, FINDING, REGION, SIGNS, untrained } from '../spec/tiny-cohort.js';
import { evaluationConfig } from './config.js';
import { evaluation } from './index.js';
import { getScores } from './row-scores.js';

let folder: string;
let store: ObjectStore;
let service: RunningService;
let client: EvaluationServiceClient;
let dataset: string;
let selfSupervised: string;
let supervised: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'evaluation-'));
  const url = pathToFileURL(folder).href;
  store = await openObjectStore({ url });
  dataset = (await writeDataset(store, description(), cohort())).hash;
  await useBackend();
  selfSupervised = await untrained(store, dataset, { name: 'simclr' }, 0);
  supervised = [
    await untrained(store, dataset, { name: 'supervised', task: 'region' }, 1),
    await untrained(store, dataset, { name: 'supervised', task: 'region' }, 2),
  ];
  const config = baseConfig
    .extend(evaluationConfig)
    .parse({ store: url, port: 0, metricsPort: 0, logLevel: 'error' });
  service = await runService('evaluation', [evaluation], config);
  client = new EvaluationServiceClient(`127.0.0.1:${service.port}`, credentials.createInsecure());
});

afterAll(async () => {
  client.close();
  await service.close();
  await rm(folder, { recursive: true });
});

describe('Evaluate', () => {
  it('scores linear probe, kNN and own heads on the test split, over seeds', async () => {
    const { events, report } = await evaluate(wholeSpec());

    expect(
      report.rows.map(({ label, protocol, accuracy }) => [label, protocol, accuracy.values.length]),
    ).toEqual([
      ['SimCLR', 'linear-probe', 2],
      ['SimCLR', 'knn', 2],
      ['From scratch', 'head', 2],
    ]);
    expect(report).toMatchObject({
      datasetName: 'tiny',
      synthetic: true,
      classes: REGION.classes,
      testImages: 30,
      testSubjects: 10,
      spec: { dataset },
    });
    for (const row of report.rows) {
      // Every test image once per seed.
      expect(row.confusion.flat().reduce((sum, count) => sum + count, 0)).toBe(60);
      expect(row.top3?.mean).toBe(1);
      expect(row.accuracy).toEqual(row.top1);
    }
    const progress = events.flatMap((event) =>
      event.event?.$case === 'progress' ? [event.event.value] : [],
    );
    expect(progress.at(-1)?.done).toBe(progress.at(-1)?.total);
    expect(progress.map(({ stage }) => stage)).toContain('SimCLR: linear probe, seed 1');
  });

  it('tells classes of different brightness apart even by a random network, and an unlearnable label not', async () => {
    const region = await evaluate({ ...wholeSpec(), labelsPerClass: 10, entries: [entry('linear-probe')] });
    const finding = await evaluate({
      ...wholeSpec(),
      task: 'finding',
      labelsPerClass: 10,
      entries: [entry('linear-probe')],
    });

    expect(region.report.rows[0]?.accuracy.mean).toBeGreaterThan(0.9);
    expect(finding.report.rows[0]?.auc.mean).toBeLessThan(0.8);
  });

  it('scores linear probe and kNN of a multi-label task, label by label', async () => {
    const entries = [entry('linear-probe'), entry('knn')];
    const { report } = await evaluate({ ...wholeSpec(), task: 'signs', labelsPerClass: 5, entries });

    expect(report).toMatchObject({ taskKind: 'multi-label', classes: SIGNS.classes });
    for (const row of report.rows) {
      expect(row.confusion).toEqual([]);
      expect(row.top1).toBeUndefined();
      expect(row.perClass.map(({ images }) => images)).toEqual([10, 10, 4]);
      expect(row.auc.values).toHaveLength(2);
    }
    // Two labels show in the brightness; the third is random.
    expect(report.rows[0]?.auc.mean).toBeGreaterThan(0.7);
    expect(report.embeddingMaps[0]?.points.some((point) => point.class === undefined)).toBe(true);
  });

  it('scores every task of a checkpoint of several by its own head, and says where it has no code of its own', async () => {
    const tasks = [{ task: 'region' }, { task: 'signs' }];
    const several = await untrained(store, dataset, { name: 'multi-task', tasks }, 5, ['ct']);
    for (const { task, classes } of [REGION, SIGNS]) {
      const entries = [{ label: 'MT', protocol: 'head', checkpoints: [several] }];
      const { report } = await evaluate({ ...wholeSpec(), task, entries });

      const { seeded } = await getScores(store, report.rows[0]!);
      const { columns, data } = seeded[0]!.scores;
      expect(columns).toBe(classes.length);
      const sums = Array.from({ length: 30 }, (_, row) =>
        [...data.slice(row * columns, (row + 1) * columns)].reduce((sum, value) => sum + Number(value), 0),
      );
      // Probabilities of classes add up to 1, those of labels stand by themselves.
      expect(sums.every((sum) => Math.abs(sum - 1) < 1e-5)).toBe(task === 'region');
      expect(report.rows[0]!.sharedCodes).toEqual(['modality mr']);
      expect(report.embeddingMaps).toEqual([]);
    }
    const { report } = await evaluate({ ...wholeSpec(), entries: [entry('knn')] });
    expect(report.rows[0]!.sharedCodes).toBeUndefined();
  });

  it('says which sizes no training saw, and what they were brought to', async () => {
    const shapes = [[6, 6]];
    const small = await untrained(store, dataset, { name: 'simclr' }, 6, ['ct', 'mr'], {
      ...INPUT_STATISTICS,
      shapes,
    });
    const entries = [small, selfSupervised].map((checkpoint, at) => ({
      label: `${at}`,
      protocol: 'knn',
      checkpoints: [checkpoint],
    }));
    const { report } = await evaluate({ ...wholeSpec(), entries });

    expect(report.rows.map(({ resampled }) => resampled)).toEqual([['8 x 8 to 6 x 6'], undefined]);
  });

  it('gives intervals over subjects and paired tests where they are asked for', async () => {
    const { report } = await evaluate({
      ...wholeSpec(),
      labelsPerClass: 10,
      intervals: { resamples: 200 },
      compare: [[0, 2]],
    });

    const [probe] = report.rows;
    expect(probe?.intervals?.accuracy?.low).toBeLessThanOrEqual(probe!.accuracy.mean);
    expect(probe?.intervals?.accuracy?.high).toBeGreaterThanOrEqual(probe!.accuracy.mean);
    // Three images a subject: tests that take images to be independent have no place.
    expect(report.tests.map(({ metric, test }) => [metric, test])).toEqual([
      ['auc', 'paired-bootstrap'],
      ['accuracy', 'paired-bootstrap'],
    ]);
    expect(report.tests[1]?.difference).toBeCloseTo(
      report.rows[0]!.accuracy.mean - report.rows[2]!.accuracy.mean,
      12,
    );
  });

  it('stores the scores that it scored', async () => {
    const { report } = await evaluate(wholeSpec());
    const [row] = report.rows;

    const { seeded, truth } = await getScores(store, row!);

    expect(seeded.map(({ seed }) => seed)).toEqual([0, 1]);
    const again = seeded.map(({ scores }) => auc(scores, { kind: 'multi-class', classes: truth.data }));
    expect(again).toEqual(row?.auc.values);
  });

  it('maps the test embeddings of self-supervised checkpoints', async () => {
    const { report } = await evaluate(wholeSpec());

    expect(report.embeddingMaps.map(({ checkpoint, points }) => [checkpoint, points.length])).toEqual([
      [selfSupervised, 30],
    ]);
    expect(new Set(report.embeddingMaps[0]?.points.map((point) => point.class))).toEqual(new Set([0, 1, 2]));
  });

  it('keeps the checkpoints it scored from being pruned, and those it did not come to score not', async () => {
    const spec = { ...wholeSpec(), title: 'references', entries: [entry('knn')] };
    await evaluate(spec);
    expect(await isReferred(store, selfSupervised)).toBe(true);

    const nothing = { label: 'A', protocol: 'knn', checkpoints: [sha256('nothing')] };
    await expect(evaluate({ ...spec, entries: [nothing] })).rejects.toMatchObject({ code: status.NOT_FOUND });
    expect(await isReferred(store, sha256('nothing'))).toBe(false);
  });

  it('finds an equal request again without computing, whether it names the data set or its address', async () => {
    const first = await evaluate(wholeSpec());
    const again = await evaluate({ ...wholeSpec(), dataset });

    expect(again.hash).toBe(first.hash);
    expect(again.events).toHaveLength(1);
  });

  it('computes the same report from nothing', async () => {
    const first = await evaluate(wholeSpec());
    for await (const { key } of store.list('report')) await store.delete(key);
    const again = await evaluate(wholeSpec());

    expect(again.events.length).toBeGreaterThan(1);
    expect(again.hash).toBe(first.hash);
  });

  it('scores once where no seed can change anything', async () => {
    const { labelsPerClass: _, ...everyLabel } = wholeSpec();
    const { report } = await evaluate({ ...everyLabel, entries: [entry('knn')] });

    expect(report.rows[0]?.accuracy).toMatchObject({ std: 0, values: { length: 1 } });
  });

  it('scores images of one modality by labels of another, and many shares of labels in one pass', async () => {
    const entries = [
      { ...entry('linear-probe'), label: 'own', labelModalities: ['mr'] },
      { ...entry('linear-probe'), label: 'other', labelModalities: ['ct'] },
      { ...entry('linear-probe'), label: '10 %', labelFraction: 0.1 },
      { ...entry('linear-probe'), label: 'all', labelFraction: 1 },
    ];
    const { labelsPerClass: _, ...everyLabel } = wholeSpec();
    const spec = { ...everyLabel, modalities: ['mr'], entries };

    const { report } = await evaluate(spec);

    expect(report.testImages).toBe(15);
    expect(report.rows.map(({ accuracy }) => accuracy.values.length)).toEqual([1, 1, 2, 1]);
    const all = report.rows[3]!.accuracy.mean;
    expect(report.rows.map(({ accuracy }) => accuracy.mean <= all)).toEqual([true, true, true, true]);
    expect(await refusal({ ...spec, modalities: ['pet'] })).toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: expect.stringContaining('the test split has no 2D image of pet with a label for region'),
    });
    expect(
      await refusal({ ...spec, entries: [{ ...entry('knn'), labelsPerClass: 1, labelFraction: 0.5 }] }),
    ).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('expected one of labelsPerClass and labelFraction'),
    });
  });

  it('takes training images of probes from another data set, never of a subject that it scores', async () => {
    const trained = cohort().filter(({ split }) => split === 'train');
    const scored = cohort().filter(({ split }) => split === 'test');
    const leaked = scored.map((image) => ({ ...image, split: 'train' as const }));
    const classes = [...REGION.classes].reverse();
    const write = (name: string, images: DatasetImage[], space = REGION) =>
      writeDataset(store, { ...description(), name, labelSpaces: [space, FINDING, SIGNS] }, images);
    await write('elsewhere', trained);
    await write('leaking', leaked);
    await write('other-classes', trained, { ...REGION, classes });
    const spec = { ...wholeSpec(), entries: [entry('knn')] };

    const own = await evaluate(spec);
    const elsewhere = await evaluate({ ...spec, trainDataset: 'elsewhere' });
    expect(elsewhere.report.spec.trainDataset).toMatch(/^[0-9a-f]{64}$/);
    expect(elsewhere.report.rows[0]!.accuracy).toEqual(own.report.rows[0]!.accuracy);

    expect(await refusal({ ...spec, trainDataset: 'leaking' })).toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: expect.stringMatching(
        /trainDataset leaking: 10 of its training subjects are among the scored/,
      ),
    });
    expect(await refusal({ ...spec, trainDataset: 'other-classes' })).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(
        /spec: trainDataset: expected the classes of .*, found knee, chest, head/,
      ),
    });
  });

  it('stops when the caller cancels', async () => {
    const call = client.evaluate({ spec: { ...wholeSpec(), title: 'cancelled' } });
    const failed = new Promise<ServiceError>((resolve) => call.on('error', resolve));
    call.once('data', () => call.cancel());

    expect((await failed).code).toBe(status.CANCELLED);
    const titles = (await listReports()).map(({ title }) => title);
    expect(titles).not.toContain('cancelled');
  });

  it.each([
    ['an unknown data set', { dataset: 'nowhere' }, status.NOT_FOUND, /dataset nowhere/],
    [
      'an unknown task',
      { task: 'lesion' },
      status.INVALID_ARGUMENT,
      /dataset tiny has no task lesion; it has: region, finding, signs/,
    ],
    [
      'a comparison with no entry',
      { compare: [[0, 9]] },
      status.INVALID_ARGUMENT,
      /spec: compare: expected pairs/,
    ],
    ['no entries', { entries: [] }, status.INVALID_ARGUMENT, /spec: entries/],
    [
      'a checkpoint that is not there',
      { entries: [{ label: 'A', protocol: 'knn', checkpoints: [sha256('nothing')] }] },
      status.NOT_FOUND,
      /entries\.0 \(A\): checkpoint [0-9a-f]{64} is not in the store/,
    ],
    [
      'more labels per class than there are',
      { labelsPerClass: 21 },
      status.FAILED_PRECONDITION,
      /at least 21 in the training split, found: head has 20/,
    ],
    [
      'dimensions that the data set lacks',
      { dimensions: [3] },
      status.FAILED_PRECONDITION,
      /train split has no 3D image/,
    ],
  ])('refuses %s', async (_, change, code, details) => {
    const failure = await refusal({ ...wholeSpec(), ...change });

    expect(failure).toMatchObject({ code, details: expect.stringMatching(details) });
  });

  it('refuses the head of a self-supervised checkpoint, a head for another task, and a wrong count', async () => {
    const headOfSelfSupervised = { ...wholeSpec(), entries: [entry('head')] };
    expect((await refusal(headOfSelfSupervised)).details).toMatch(/of simclr, which has no task head/);

    const otherTask = {
      ...wholeSpec(),
      task: 'finding',
      entries: [{ label: 'A', protocol: 'head', checkpoints: supervised }],
    };
    expect((await refusal(otherTask)).details).toMatch(/a head for task finding.*with heads for: region/);

    const wrongCount = {
      ...wholeSpec(),
      seeds: [0, 1, 2],
      entries: [{ label: 'A', protocol: 'head', checkpoints: supervised }],
    };
    expect((await refusal(wrongCount)).details).toMatch(/expected 1 or one per seed \(3\), found 2/);
  });
});

describe('stored reports', () => {
  it('are listed and got by address', async () => {
    const { hash, report } = await evaluate(wholeSpec());

    expect(await listReports()).toContainEqual({ report: hash, title: 'Tiny', datasetName: 'tiny' });
    const got = await new Promise((resolve, reject) =>
      client.getReport({ report: hash }, (error, response) =>
        error ? reject(error) : resolve(response.record),
      ),
    );
    expect(ScoreReport.parse(got)).toEqual(report);
  });

  it('are refused by a wrong address', async () => {
    const failure = (report: string) =>
      new Promise<ServiceError>((resolve) => client.getReport({ report }, (error) => resolve(error!)));

    expect(await failure('abc')).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(await failure(sha256('no report'))).toMatchObject({ code: status.NOT_FOUND });
  });

  it('become one page with the pictures sent along', async () => {
    const { hash } = await evaluate(wholeSpec());
    const grey = {
      dataType: DataType.DATA_TYPE_UINT8,
      shape: [2, 2, 1],
      data: Buffer.from([0, 80, 160, 255]),
    };
    const half = { dataType: DataType.DATA_TYPE_FLOAT32, shape: [1, 1, 1], data: Buffer.alloc(4) };

    const page = await renderPage(hash, { samples: [{ caption: 'ct, head', images: [grey, half] }] });

    expect(page).toContain(hash);
    expect(page).toContain('Synthetic phantom');
    expect(page.match(/data:image\/png;base64,/g)).toHaveLength(2);
    expect(page.trimEnd().endsWith('</html>')).toBe(true);
  });

  it('refuse a picture whose bytes do not fit its shape', async () => {
    const { hash } = await evaluate(wholeSpec());
    const short = { dataType: DataType.DATA_TYPE_UINT8, shape: [2, 2, 1], data: Buffer.alloc(3) };

    const samples = [{ caption: 'x', images: [short] }];
    await expect(renderPage(hash, { samples })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: 'request: samples.0.images.0.data: expected 4 bytes, found 3',
    });
  });

  it('show fusions and how good they are, each picture under its name', async () => {
    const { hash } = await evaluate(wholeSpec());
    const dot = { dataType: DataType.DATA_TYPE_UINT8, shape: [1, 1, 3], data: Buffer.alloc(3) };
    const measured = await putFusionQuality(store, fusionQuality());
    const panels = [{ caption: '2 patients', images: [dot, dot], names: ['fusion', 'regions'] }];
    const page = await renderPage(hash, { fusions: { qualities: [measured.hash], panels } });

    expect(page).toContain(measured.hash);
    expect(page).toContain('alt="2 patients, regions"');
    const unnamed = [{ ...panels[0]!, names: ['fusion'] }];
    await expect(renderPage(hash, { fusions: { panels: unnamed } })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: 'request: fusions.panels.0.names: expected 2, one per picture, found 1',
    });
    await expect(renderPage(hash, { fusions: { qualities: ['f'.repeat(64)] } })).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: `fusion quality ${'f'.repeat(64)}: not in the store`,
    });
  });
});

it('keeps how the embeddings of the training images lie, of the most images seen, for the encoder to compare with', async () => {
  await evaluate({ ...wholeSpec(), title: 'Few', labelsPerClass: 1, seeds: [0], entries: [entry('knn')] });
  const few = (await getEmbeddingMoments(store, selfSupervised))!;
  await evaluate({ ...wholeSpec(), title: 'More', entries: [entry('knn')] });
  const more = (await getEmbeddingMoments(store, selfSupervised))!;
  expect(more.images).toBeGreaterThan(3);
  expect(more.images).toBeGreaterThanOrEqual(few.images);
  expect(more.variance.every((value) => value >= 0)).toBe(true);
  expect(more.mean).toHaveLength(more.variance.length);
});

describe('an evaluation that is stopped', () => {
  it('goes on after the last whole checkpoint, with the same scores as one that ran through', async () => {
    const knn = { label: 'Second', protocol: 'knn', checkpoints: [supervised[0]] };
    const spec = { ...wholeSpec(), title: 'Stopped', entries: [entry('knn'), knn] };
    const parts = async () => {
      const keys: string[] = [];
      for await (const { key } of store.list('evaluation-parts/')) keys.push(key);
      return keys;
    };
    const call = client.evaluate({ spec });
    const stopped = await (async () => {
      for await (const { event } of call as AsyncIterable<EvaluateResponse>)
        if (event?.$case === 'progress' && event.value.stage.startsWith('Second: embedding')) call.cancel();
    })().catch((error: ServiceError) => error);
    expect(stopped).toMatchObject({ code: status.CANCELLED });
    expect(await parts()).toEqual([expect.stringContaining(selfSupervised)]);

    const { events, report } = await evaluate(spec);
    const begun = events.flatMap(({ event }) => (event?.$case === 'progress' ? [event.value] : []));
    const embedding = begun.filter(({ stage }) => stage === 'SimCLR: embedding');
    // Said once as it begins and once as found whole, instead of batch by batch.
    expect(embedding).toHaveLength(2);
    expect(begun.at(-1)).toMatchObject({ done: begun.at(-1)!.total });
    expect(await parts()).toEqual([]);
    const through = await evaluate({ ...spec, title: 'Through' });
    expect(report.rows).toEqual(through.report.rows);
  });
});

describe('PromoteCheckpoint', () => {
  const gate = {
    dataset: 'tiny',
    task: 'region',
    labelsPerClass: 10,
    seeds: [0, 1],
    minimum: 0.9,
    margin: 0.2,
  };
  const promote = async (asked: object, candidate: string, served = '') => {
    const events: PromoteCheckpointResponse[] = [];
    for await (const event of client.promoteCheckpoint({ gate: asked, candidate, served }))
      events.push(event);
    const last = events.at(-1)?.event;
    if (last?.$case !== 'decided') throw new Error('no decision came');
    return { promotion: last.value.promotion, record: Promotion.parse(last.value.record) };
  };

  it('promotes by the minimum alone where nothing is served, and keeps the report behind it', async () => {
    const { promotion, record } = await promote(gate, selfSupervised);
    expect(record).toMatchObject({ candidate: selfSupervised, promoted: true, reasons: [] });
    expect(record.served).toBeUndefined();
    const { response } = await new Promise<{ response: GetReportResponse }>((resolve, reject) => {
      client.getReport({ report: record.report }, (error, response) =>
        error ? reject(error) : resolve({ response }),
      );
    });
    const report = ScoreReport.parse(response.record);
    expect(report.rows[0]?.auc.mean).toBe(record.score);
    expect(await promote(gate, selfSupervised)).toEqual({ promotion, record });
  });

  it('refuses what may be worse than the served model by more than the margin, with numbers, and keeps that too', async () => {
    const poor = { ...gate, task: 'finding', minimum: 0, margin: 0 };
    const { record } = await promote(poor, selfSupervised, supervised[0]);
    expect(record.promoted).toBe(false);
    expect(record.interval!.low).toBeLessThan(0);
    expect(record.reasons[0]).toMatch(/^auc may be 0\.\d{4} worse than the served model's/);
    const minimum = await promote({ ...gate, task: 'finding', minimum: 0.99 }, selfSupervised);
    expect(minimum.record.reasons[0]).toMatch(/below the minimum of 0\.9900$/);

    const listed = await new Promise<ListPromotionsResponse>((resolve, reject) => {
      client.listPromotions({ candidate: selfSupervised }, (error, response) =>
        error ? reject(error) : resolve(response),
      );
    });
    expect(listed.promotions.length).toBeGreaterThanOrEqual(3);
    expect(await isPromoted(store, selfSupervised, undefined)).toBe(true);
    expect(await isPromoted(store, selfSupervised, supervised[0])).toBe(false);
  });

  it('promotes over the served model what is shown to be as good', async () => {
    const { record } = await promote(gate, selfSupervised, supervised[0]);
    expect(record).toMatchObject({ served: supervised[0], promoted: true });
    expect(record.difference).toBeCloseTo(record.score - record.servedScore!, 6);
    expect(await isPromoted(store, selfSupervised, supervised[0])).toBe(true);
  });

  it.each([
    [{ ...gate, minimum: 2 }, 'gate: minimum'],
    [{ ...gate, metric: 'f1' }, 'gate: metric'],
    [{ ...gate, dataset: undefined }, 'gate.dataset'],
    [{ ...gate, patience: 3 }, 'patience'],
  ])('refuses the gate %#, naming the field', async (asked, field) => {
    await expect(promote(asked, selfSupervised)).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining(field),
    });
  });
});

function wholeSpec() {
  return {
    title: 'Tiny',
    dataset: 'tiny',
    task: 'region',
    labelsPerClass: 5,
    seeds: [0, 1],
    dimensions: [2],
    entries: [
      entry('linear-probe'),
      entry('knn'),
      { label: 'From scratch', protocol: 'head', checkpoints: supervised },
    ],
  };
}

function entry(protocol: string) {
  return { label: 'SimCLR', protocol, checkpoints: [selfSupervised] };
}

async function evaluate(spec: object) {
  const events: EvaluateResponse[] = [];
  for await (const event of client.evaluate({ spec })) events.push(event);
  const last = events.at(-1)?.event;
  if (last?.$case !== 'finished') throw new Error('no report came');
  return { events, hash: last.value.report, report: ScoreReport.parse(last.value.record) };
}

async function refusal(spec: object): Promise<ServiceError> {
  try {
    await evaluate(spec);
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error('the request was not refused');
}

describe('ExportScores', () => {
  it("gives MedMNIST's result files by row and seed, in the order of the archive", async () => {
    const { hash: pneumonia } = await writeDataset(store, pneumoniaDescription(), pneumoniaImages());
    const { hash, report } = await evaluate({
      dataset: pneumonia,
      task: 'pneumoniamnist',
      labelsPerClass: 5,
      seeds: [3, 4],
      entries: [{ label: 'Sim CLR', protocol: 'knn', checkpoints: [selfSupervised] }],
    });

    const files = await exported({ report: hash, format: ScoresFormat.SCORES_FORMAT_MEDMNIST });

    const [auc, acc] = [report.rows[0]!.auc.values[0]!, report.rows[0]!.accuracy.values[0]!];
    expect([...files.keys()][0]).toBe(
      `pneumoniamnist_8_test_[AUC]${auc.toFixed(3)}_[ACC]${acc.toFixed(3)}@0-Sim-CLR-knn-seed-3.csv`,
    );
    expect(files.size).toBe(2);
    const lines = [...files.values()][0]!.trimEnd().split('\n');
    expect(lines.map((line) => Number(line.split(',')[0]))).toEqual([...Array(30).keys()]);
    const right = lines.filter((line, image) => Number(line.split(',')[2]) > 0.5 === (image % 2 === 1));
    expect(right.length / 30).toBeCloseTo(acc, 12);
  });

  it('gives the stored scores of chosen rows', async () => {
    const { hash } = await evaluate(wholeSpec());
    const format = ScoresFormat.SCORES_FORMAT_SAFETENSORS;

    const files = await exported({ report: hash, format, rows: [1] });

    expect([...files.keys()]).toEqual(['1-SimCLR-knn.safetensors']);
  });

  it('refuses MedMNIST files of other data, rows that are not there, and no format', async () => {
    const { hash: report } = await evaluate(wholeSpec());
    const refused = (request: Parameters<typeof exported>[0]) =>
      exported(request).catch((error: ServiceError) => error);

    expect(await refused({ report, format: ScoresFormat.SCORES_FORMAT_MEDMNIST })).toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: 'dataset tiny, task region: expected one of the 18 MedMNIST sets',
    });
    const beyond = { report, format: ScoresFormat.SCORES_FORMAT_SAFETENSORS, rows: [3] };
    expect(await refused(beyond)).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(await refused({ report, format: ScoresFormat.SCORES_FORMAT_UNSPECIFIED })).toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
  });
});

describe('a report as tables', () => {
  it('is one CSV with a line per row, metric and seed, and the record as it is addressed', async () => {
    const label = 'SimCLR, "first"';
    const entries = [{ ...entry('knn'), label }];
    const { hash, report } = await evaluate({ ...wholeSpec(), entries, intervals: { resamples: 100 } });
    const csv = await exported({ report: hash, format: ScoresFormat.SCORES_FORMAT_CSV });
    const lines = csv.get('scores.csv')!.trimEnd().split('\r\n');
    expect(lines[0]).toBe('dataset,task,split,row,protocol,metric,seed,value,mean,std,low,high');
    // Six metrics over two seeds.
    expect(lines).toHaveLength(1 + 6 * 2);
    const [row] = report.rows;
    const { low, high } = row!.intervals!.auc!;
    expect(lines[2]).toBe(
      `tiny,region,test,"SimCLR, ""first""",knn,auc,1,${[row!.auc.values[1], row!.auc.mean, row!.auc.std, low, high]}`,
    );
    const json = await exported({ report: hash, format: ScoresFormat.SCORES_FORMAT_JSON });
    expect(sha256(Buffer.from(json.get('report.json')!, 'latin1'))).toBe(hash);
  });
});

async function exported(request: { report: string; format: ScoresFormat; rows?: number[] }) {
  const files = new Map<string, string>();
  let name = '';
  for await (const { part } of client.exportScores({ rows: [], ...request })) {
    if (part?.$case === 'fileName') name = part.value;
    files.set(name, (files.get(name) ?? '') + (part?.$case === 'chunk' ? part.value.toString('latin1') : ''));
  }
  return files;
}

function pneumoniaDescription() {
  const source = { ...description().source, format: 'medmnist-npz' };
  const labelSpaces = [{ task: 'pneumoniamnist', kind: 'binary' as const, classes: ['normal', 'pneumonia'] }];
  return { ...description(), name: 'pneumonia', source, labelSpaces };
}

/** 40 training and 30 test images as a MedMNIST archive has them; every second one is brighter. */
function pneumoniaImages(): DatasetImage[] {
  const of = (split: Split, count: number) =>
    Array.from({ length: count }, (_, row): DatasetImage => {
      const rng = Rng.of('pneumonia', split, row);
      return {
        id: sha256(`${split}/${row}`).slice(0, 16),
        subject: `${split}/${row}`,
        split,
        modality: 'xray',
        bodyPart: 'chest',
        shape: [8, 8, 1],
        pixelType: 'uint8' as const,
        labels: { pneumoniamnist: row % 2 },
        source: sha256('pneumonia'),
        pixels: Uint8Array.from({ length: 64 }, () => 90 + 30 * (row % 2) + rng.integer(60)),
      };
    });
  return [...of('train', 40), ...of('test', 30)];
}

function listReports() {
  return new Promise<{ report: string; title: string; datasetName: string }[]>((resolve, reject) =>
    client.listReports({}, (error, response) => (error ? reject(error) : resolve(response.reports))),
  );
}

async function renderPage(report: string, shown: DeepPartial<RenderReportRequest>) {
  const chunks: Buffer[] = [];
  const request = RenderReportRequest.fromPartial({ report, ...shown });
  for await (const { htmlChunk } of client.renderReport(request)) chunks.push(htmlChunk);
  return Buffer.concat(chunks).toString('utf8');
}

function fusionQuality(): FusionQuality {
  return {
    kind: 'medformer.fusion-quality.v1',
    spec: { dataset, fusion: FusionSpec.parse({}), count: 64 },
    datasetName: 'tiny',
    synthetic: true,
    rows: [],
    codeVersion: 'test',
  };
}
