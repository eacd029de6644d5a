import {
  type CheckpointRecord,
  type DatasetManifest,
  type EmbeddingMap,
  type FusionQuality,
  FusionSpec,
  type MetricSummary,
  MODEL_PRESETS,
  MonitorSpec,
  RunSpec,
  type ScoreReport,
  type ScoreRow,
  sha256,
} from '@medformer/schema';
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { renderReport } from './render-report.js';
import type { ReportInput } from './report-input.js';

const CHECKPOINT = sha256('simclr checkpoint');
const SCRATCH = sha256('supervised checkpoint');
const DATASET = sha256('dataset');

const summary = (...values: number[]): MetricSummary => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, std: 0.01, values };
};

const report: ScoreReport = {
  kind: 'medformer.score-report.v1',
  spec: {
    title: 'Ten labels <b>per class</b>',
    dataset: DATASET,
    task: 'body-region',
    labelsPerClass: 10,
    split: 'test',
    seeds: [0, 1],
    dimensions: [2],
    entries: [
      { label: 'SimCLR', protocol: 'linear-probe', checkpoints: [CHECKPOINT] },
      { label: 'From scratch', protocol: 'head', checkpoints: [SCRATCH] },
    ],
    compare: [],
  },
  datasetName: 'phantom',
  synthetic: true,
  classes: ['head', 'chest', 'knee'],
  testImages: 60,
  testSubjects: 12,
  rows: [
    {
      label: 'SimCLR',
      protocol: 'linear-probe',
      checkpoints: [CHECKPOINT],
      auc: summary(0.9, 0.92),
      accuracy: summary(0.8, 0.82),
      top1: summary(0.8, 0.82),
      top3: summary(1, 1),
      top5: summary(1, 1),
      confusion: [
        [30, 5, 5],
        [2, 36, 2],
        [4, 4, 32],
      ],
      perClass: [],
    },
    {
      label: 'From scratch',
      protocol: 'head',
      checkpoints: [SCRATCH],
      auc: summary(0.7, 0.72),
      accuracy: summary(0.5, 0.52),
      top1: summary(0.5, 0.52),
      top3: summary(1, 1),
      top5: summary(1, 1),
      confusion: [
        [20, 10, 10],
        [10, 20, 10],
        [10, 10, 20],
      ],
      perClass: [],
    },
  ],
  tests: [],
  embeddingMaps: [
    {
      label: 'SimCLR',
      checkpoint: CHECKPOINT,
      embeddings: { width: 96, std: 0.81, effectiveRank: 41.27 },
      points: [
        { x: 0, y: 1, class: 0, modality: 'ct' },
        { x: 1, y: 0, class: 1, modality: 'mr' },
        { x: -1, y: -1, class: 2, modality: 'ct' },
      ],
    },
  ],
  codeVersion: '0.1.0',
};

const dataset: DatasetManifest = {
  kind: 'medformer.dataset.v1',
  name: 'phantom',
  description: 'Phantom patients.',
  source: { format: 'phantom', synthetic: true, digest: sha256('source'), files: 3, bytes: 9 },
  deidentification: { profile: 'none', notes: [] },
  normalisation: {},
  splits: { policy: 'by-subject', seed: 7 },
  labelSpaces: [],
  census: {
    images: { train: 100, test: 60 },
    subjects: {},
    modalities: {},
    bodyParts: {},
    shapes: [],
    labels: {},
  },
  shards: [],
  codeVersion: '0.1.0',
};

const spec = RunSpec.parse({
  dataset: DATASET,
  method: { name: 'simclr' },
  steps: 20,
  batchSize: 64,
  codeVersion: '0.1.0',
});

const checkpoint: CheckpointRecord = {
  kind: 'medformer.checkpoint.v1',
  run: sha256('run'),
  spec,
  step: 20,
  model: MODEL_PRESETS.nano,
  weights: [{ sha256: sha256('weights'), bytes: 1 }],
  optimiser: [{ sha256: sha256('optimiser'), bytes: 1 }],
  parts: { input: [], body: [], output: [], method: [] },
  codes: { modalities: [], bodyParts: [], tasks: [] },
  input: { mean: 0.5, std: 0.2 },
  dataset: DATASET,
  codeVersion: '0.1.0',
  expectedLoss: { start: Math.log(127), floor: 1.05, collapsed: Math.log(127), first: { least: 2, most: 8 } },
  history: [0, 10, 20].map((step) => ({
    step,
    loss: 4.8 - step / 20,
    learningRate: 1e-3,
    gradientNorm: 1,
    embeddingStd: 0.5 + step / 100,
    effectiveRank: 10 + step,
  })),
};

const input: ReportInput = {
  hash: sha256('report'),
  report,
  dataset,
  checkpoints: new Map([[CHECKPOINT, checkpoint]]),
  samples: [{ caption: 'ct, head', images: ['data:image/png;base64,AAAA', 'data:image/png;base64,BBBB'] }],
};

const page = (changes: Partial<ReportInput> = {}) => {
  const text = renderReport({ ...input, ...changes });
  return { text, document: parseHTML(text).document };
};

describe('renderReport', () => {
  it('shows one table row per score row, in percent, and marks the best', () => {
    const { document } = page();
    const rows = [...document.querySelectorAll('table.scores tbody tr')];

    expect(rows.map((row) => row.querySelector('th')?.textContent)).toEqual(['SimCLR', 'From scratch']);
    expect(rows[0]?.textContent).toContain('91.0 ± 1.0');
    expect([...document.querySelectorAll('td.best')].map((cell) => cell.textContent)).toContain('81.0 ± 1.0');
  });

  it('draws what a run scored while it trained, and nothing for a run that did not', () => {
    const scored: CheckpointRecord = {
      ...checkpoint,
      spec: { ...spec, monitor: MonitorSpec.parse({ task: 'region', labelsPerClass: 10 }) },
      history: checkpoint.history.map((entry, index) =>
        index === 0 ? entry : { ...entry, online: { knn: { accuracy: 0.3 + index / 10, auc: 0.8 } } },
      ),
    };
    const charts = (record: CheckpointRecord) =>
      [
        ...page({ checkpoints: new Map([[CHECKPOINT, record]]) }).document.querySelectorAll('#training svg'),
      ].map((svg) => svg.textContent ?? '');
    const [online] = charts(scored).filter((text) => text.includes('online accuracy'));

    expect(online).toContain(
      'Accuracy on validation images of region while training, 10 labels per class. knn: from 0.400 to 0.500.',
    );
    expect(charts(checkpoint).some((text) => text.includes('online accuracy'))).toBe(false);
  });

  it('calls synthetic data a synthetic phantom at the top and in the table, and real data not', () => {
    const { document } = page();
    expect(document.querySelector('.notice')?.textContent).toContain('Synthetic phantom');
    expect(document.querySelector('table.scores caption')?.textContent).toContain('synthetic phantom');

    const real = page({
      report: { ...report, synthetic: false },
      dataset: { ...dataset, source: { ...dataset.source, synthetic: false, format: 'image-folder' } },
    });
    expect(real.document.querySelector('.notice')).toBeNull();
    expect(real.text).not.toContain('synthetic phantom');
  });

  it('draws every chart with a title and a description', () => {
    const charts = [...page().document.querySelectorAll('svg')];

    // Two score bars, loss, embedding spread and effective rank, one embedding map, two confusion matrices.
    expect(charts).toHaveLength(8);
    for (const chart of charts) {
      expect(chart.querySelector('title')?.textContent).not.toBe('');
      expect(chart.querySelector('desc')?.textContent).not.toBe('');
      expect(chart.getAttribute('role')).toBe('img');
    }
  });

  it('draws the loss beside what theory expects of it', () => {
    const description = page().document.querySelector('#training svg desc')?.textContent;

    expect(description).toContain(`ln(2N−1) = ${Math.log(127).toFixed(3)}`);
    expect(description).toContain('lowest possible = 1.050');
    expect(page().document.querySelector('#training figure')?.textContent).toContain(
      '14 % of the way from its start to its floor (start 4.84, floor 1.05)',
    );
  });

  it('says at the top and at its curve that a run collapsed', () => {
    const flat = checkpoint.history.map((entry) => ({
      ...entry,
      loss: 4.8,
      embeddingStd: 0.01,
      effectiveRank: 1.1,
    }));
    const record = { ...checkpoint, spec: { ...spec, health: { ...spec.health, window: 3 } }, history: flat };
    const { document } = page({ checkpoints: new Map([[CHECKPOINT, record]]) });

    expect(document.querySelector('header')?.textContent).toContain('Collapsed while training: SimCLR.');
    expect(document.querySelector('#training .notice')?.textContent).toMatch(
      /^Collapsed: at step 20 all images/,
    );
    expect(page().document.querySelector('header')?.textContent).not.toContain('Collapsed');
  });

  it('loads nothing: every picture is inline and no address is fetched', () => {
    const { text, document } = page();

    expect(
      [...document.querySelectorAll('img')].every((image) => image.getAttribute('src')?.startsWith('data:')),
    ).toBe(true);
    expect(document.querySelectorAll('link, script[src], iframe')).toHaveLength(0);
    expect(text.replaceAll(/xmlns(:\w+)?="[^"]*"/g, '')).not.toMatch(/https?:\/\//);
    expect(document.querySelector('meta[http-equiv]')?.getAttribute('content')).toContain(
      "default-src 'none'",
    );
  });

  it('shows fusions with what each picture is, and their quality beside what real images have', () => {
    const quality: FusionQuality = {
      kind: 'medformer.fusion-quality.v1',
      spec: { dataset: DATASET, fusion: FusionSpec.parse({}), count: 64 },
      datasetName: 'phantom',
      synthetic: true,
      rows: [
        {
          ...{
            sources: 2,
            modality: 'mri',
            bodyPart: 'head',
            axes: 2,
            fusions: 64,
            images: 160,
            patients: 8,
          },
          seam: { expected: 0.01, raw: 0.0125 },
          histogram: { distance: 0.012, real: 0.004 },
        },
      ],
      codeVersion: '0.1.0',
    };
    const pictures = ['data:image/png;base64,AAAA', 'data:image/png;base64,BBBB'];
    const panels = [{ caption: '2 <patients>', images: pictures, names: ['fusion', 'regions'] }];
    const { document } = page({ fusions: { qualities: [{ hash: sha256('quality'), quality }], panels } });
    const text = (selector: string) => document.querySelector(selector)?.textContent ?? '';

    expect([...document.querySelectorAll('#fusions td')].map((cell) => cell.textContent)).toEqual([
      ...['2', '64', '12.50', '', '', '0.0120 (0.0040)', '', '', '', ''],
    ]);
    expect(text('#fusions tbody th')).toBe('RawBrainFuse');
    expect(text('#fusions caption')).toContain(sha256('quality'));
    expect(
      [...document.querySelectorAll('#fusions img')].map((image) => [
        image.getAttribute('src'),
        image.getAttribute('alt'),
      ]),
    ).toEqual([
      [pictures[0], '2 <patients>, fusion'],
      [pictures[1], '2 <patients>, regions'],
    ]);
    expect(page({ fusions: { qualities: [], panels: [] } }).document.querySelector('#fusions')).toBeNull();
  });

  it('escapes what callers wrote', () => {
    expect(page().text).not.toContain('<b>per class</b>');
  });

  it('names report, checkpoints, run, dataset and source by their full addresses', () => {
    const hashes = [...page().document.querySelectorAll('#lineage code')].map((code) => code.textContent);

    expect(hashes).toEqual([input.hash, CHECKPOINT, checkpoint.run, SCRATCH, DATASET, dataset.source.digest]);
  });

  it('groups the points of a map by class and modality, so that the legend can hide them', () => {
    const { document } = page();

    expect(document.querySelectorAll('.map .class-0.modality-ct').length).toBeGreaterThan(0);
    expect(document.querySelectorAll('.legend input')).toHaveLength(5);
    expect(document.querySelector('.map figcaption')?.textContent).toContain('effective rank 41.3 of 96');
  });

  it('leaves out the sections that have nothing to show', () => {
    const { document } = page({
      checkpoints: new Map(),
      samples: [],
      report: { ...report, embeddingMaps: [] },
    });

    expect([...document.querySelectorAll('section')].map((section) => section.id)).toEqual([
      'results',
      'confusion',
      'lineage',
      'repeat',
    ]);
  });

  it('shows whichever metrics, intervals, class scores and tests the report has', () => {
    const [first, second] = report.rows as [ScoreRow, ScoreRow];
    const { document } = page({
      report: {
        ...report,
        spec: { ...report.spec, intervals: { resamples: 500, level: 0.9, seed: 0 } },
        rows: [
          {
            ...first,
            calibrationError: summary(0.1),
            intervals: { auc: { low: 0.85, high: 0.95 } },
            perClass: [{ images: 20, recall: 0.75, precision: 0.6, f1: 0.66 }, { images: 0 }],
          },
          { ...second, calibrationError: summary(0.04) },
        ],
        tests: [
          {
            first: 0,
            second: 1,
            metric: 'auc',
            test: 'paired-bootstrap',
            difference: 0.2,
            interval: { low: 0.1, high: 0.3 },
            p: 0.0001,
          },
          {
            first: 0,
            second: 1,
            metric: 'accuracy',
            test: 'mcnemar-exact',
            seed: 1,
            difference: -0.01,
            p: 0.25,
          },
        ],
      },
    });
    const text = (selector: string) => document.querySelector(selector)?.textContent ?? '';

    expect(text('#results tbody tr')).toContain('[85.0, 95.0]');
    expect(text('#results caption')).toContain('90.0 % interval of the mean, by 500 resamples');
    // The smaller calibration error is the better one.
    expect([...document.querySelectorAll('td.best')].map((cell) => cell.textContent)).toContain('4.0');
    expect(text('#per-class tbody')).toContain('head2075.060.066.0chest0–––');
    expect(text('#tests tbody')).toContain('+20.0[+10.0, +30.0]< 0.001');
    expect(text('#tests tbody')).toContain('McNemar, exact, seed 1−1.00.250');
  });

  it('says of a multi-label task what it has, and maps images of none or several labels apart', () => {
    const rows = report.rows.map(({ top1: _1, top3: _3, top5: _5, ...row }) => ({ ...row, confusion: [] }));
    const [map] = report.embeddingMaps as [EmbeddingMap];
    const { class: _, ...unclassed } = map.points[0]!;
    const points = [unclassed, ...map.points.slice(1)];
    const { document } = page({
      report: { ...report, taskKind: 'multi-label', rows, embeddingMaps: [{ ...map, points }] },
    });

    expect(document.querySelector('#results thead')?.textContent).not.toContain('Top-1');
    expect(document.querySelector('.facts')?.textContent).toContain('3 labels per image');
    expect(document.querySelector('.facts')?.textContent).toContain('50.0 % accuracy');
    expect(document.querySelectorAll('.map .class-3.modality-ct').length).toBeGreaterThan(0);
    expect(document.querySelector('.legend')?.textContent).toContain('none or several');
  });

  it('writes the same bytes for the same input', () => {
    expect(page().text).toBe(page().text);
  });
});
