import { fileURLToPath } from 'node:url';
import { EvaluationSpec, RunSpec, type ScoreReport, sha256 } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { fewLabelEvaluation, fewLabelTables, readFewLabelPlan } from './few-label.js';
import { fineTuneSpec } from './protocol-plan.js';
import { readTransferPlan, transferEvaluation, transferTables } from './transfer.js';

const planFile = (name: string) =>
  fileURLToPath(new URL(`../../../experiments/protocols/${name}.yaml`, import.meta.url));
const [A, B] = [sha256('a'), sha256('b')];
const DATASET = sha256('dataset');
const summary = (...values: number[]) => ({
  mean: values.reduce((sum, value) => sum + value, 0) / values.length,
  std: 0.02,
  values,
});
const reportOf = (rows: object[]) =>
  ({
    rows,
    tests: [],
    classes: ['x', 'y'],
    testImages: 9,
    testSubjects: 3,
    synthetic: true,
  }) as unknown as ScoreReport;
const cells = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('│'))
    .map((line) =>
      line
        .split('│')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

describe('the few-label protocol', () => {
  const read = (options: object = {}, set: string[] = []) =>
    readFewLabelPlan(planFile('few-label'), set, { dataset: DATASET, ...options });

  it('scores frozen weights by a share of the labels, and tests fine-tuned ones against those from scratch', async () => {
    const plan = await read();
    const entries = [1, 100].flatMap((percent) => [
      { source: 'SimCLR', protocol: 'knn' as const, percent, checkpoints: [A] },
      { source: 'SimCLR', protocol: 'fine-tune' as const, percent, checkpoints: [A, A, A] },
      { source: 'From scratch', protocol: 'fine-tune' as const, percent, checkpoints: [B, B, B] },
    ]);

    const spec = EvaluationSpec.parse(fewLabelEvaluation(plan, entries));

    expect(
      spec.entries.map(({ label, protocol, labelFraction }) => [label, protocol, labelFraction]),
    ).toEqual([
      ['SimCLR, 1 %', 'knn', 0.01],
      ['SimCLR, 1 %', 'head', undefined],
      ['From scratch, 1 %', 'head', undefined],
      ['SimCLR, 100 %', 'knn', undefined],
      ['SimCLR, 100 %', 'head', undefined],
      ['From scratch, 100 %', 'head', undefined],
    ]);
    expect(spec.compare).toEqual([
      [1, 2],
      [4, 5],
    ]);
  });

  it('fine-tunes on the labels that the probes of the same seed draw', async () => {
    const plan = await read({ seeds: [3] });
    const spec = fineTuneSpec(plan, { seed: 3, draw: { labelFraction: 0.05 }, checkpoint: A });

    expect(RunSpec.parse({ ...spec, codeVersion: 'test' })).toMatchObject({
      dataset: DATASET,
      dimensions: [2],
      seed: 3,
      method: { name: 'supervised', task: 'region', labelFraction: 0.05, labelSeed: 3 },
      initial: { checkpoint: A },
    });
    expect(fineTuneSpec(plan, { seed: 3, draw: {} })).not.toHaveProperty('initial');
  });

  it('shows a column per share, with intervals', async () => {
    const plan = await read({ percents: [5, 100] });
    const entries = [
      { source: 'SimCLR', protocol: 'knn' as const, percent: 5, checkpoints: [A] },
      { source: 'SimCLR', protocol: 'knn' as const, percent: 100, checkpoints: [A] },
      { source: 'From scratch', protocol: 'fine-tune' as const, percent: 100, checkpoints: [B] },
    ];
    const record = reportOf([
      { auc: summary(0.6, 0.7), accuracy: summary(0.3, 0.3), intervals: { auc: { low: 0.61, high: 0.69 } } },
      { auc: summary(0.9), accuracy: summary(0.8) },
      { auc: summary(0.95), accuracy: summary(0.85) },
    ]);

    expect(cells(fewLabelTables(plan, { record, entries })).slice(0, 3)).toEqual([
      ['weights', 'protocol', '5 %', '100 %'],
      ['SimCLR', 'knn', '65.0 ± 2.0 (61.0 to 69.0)', '90.0'],
      ['From scratch', 'fine-tune', '', '95.0'],
    ]);
  });

  it.each([
    ['no weights', { pretrained: [], fromScratch: false }, /pretrained: expected weights to judge/],
    [
      'weights from nowhere',
      { pretrained: [{ label: 'x' }] },
      /pretrained\.0: expected a checkpoint or a run/,
    ],
    ['a share above all', { percents: [200] }, /percents\.0/],
  ])('is refused with %s', async (_, options, message) => {
    await expect(read(options)).rejects.toThrow(message);
  });
});

describe('the transfer protocol', () => {
  const read = (options: object = {}) =>
    readTransferPlan(planFile('transfer'), [], { dataset: DATASET, modalities: ['ct', 'mri'], ...options });
  const entries = [
    { source: 'ct', protocol: 'knn' as const, labels: 'tested' as const, checkpoints: [A] },
    { source: 'ct', protocol: 'knn' as const, labels: 'pretrained' as const, checkpoints: [A] },
    { source: 'ct', protocol: 'fine-tune' as const, labels: 'tested' as const, checkpoints: [A, A, A] },
  ];

  it('scores one modality by its own labels, and by those of the modality that was trained on', async () => {
    const spec = EvaluationSpec.parse(transferEvaluation(await read(), 'mri', entries));

    expect(spec).toMatchObject({ modalities: ['mri'], labelFraction: 0.1 });
    expect(spec.entries.map(({ label, labelModalities }) => [label, labelModalities])).toEqual([
      ['ct', ['mri']],
      ['ct, its labels', ['ct']],
      ['ct', undefined],
    ]);
  });

  it('shows a column per tested modality', async () => {
    const row = (value: number) => ({ auc: summary(value), accuracy: summary(value / 2) });
    const results = [
      { tested: 'ct', report: '', entries: entries.slice(0, 1), record: reportOf([row(0.9)]) },
      { tested: 'mri', report: '', entries, record: reportOf([row(0.8), row(0.6), row(0.85)]) },
    ];

    expect(cells(transferTables(await read(), results)).slice(0, 4)).toEqual([
      ['protocol', 'pretrained on', 'labels of', 'ct', 'mri'],
      ['knn', 'ct', 'tested modality', '90.0', '80.0'],
      ['knn', 'ct', 'ct', '', '60.0'],
      ['fine-tune', 'ct', 'tested modality', '', '85.0'],
    ]);
  });

  it('is refused with one modality', async () => {
    await expect(read({ modalities: ['ct'] })).rejects.toThrow(/modalities/);
  });
});
