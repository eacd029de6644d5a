import { readFileSync } from 'node:fs';
import type { EvaluationMetric } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { percentileInterval } from './bootstrap.js';
import { confusionMatrix } from './confusion-matrix.js';
import { delong } from './delong.js';
import { effectiveRank, embeddingStd } from './embedding-statistics.js';
import { fitLogistic, predictLogistic } from './logistic-regression.js';
import { matrixOf } from './matrix.js';
import { mcnemar } from './mcnemar.js';
import { METRICS } from './metrics.js';
import { perClassScores } from './per-class-scores.js';
import { predictedClasses } from './predictions.js';
import { columnStatistics, standardise } from './standardise.js';
import type { TaskLabels } from './task-labels.js';
import { topK } from './top-k.js';
import { twoSidedNormal } from './two-sided-normal.js';

interface Resampled extends Partial<Record<EvaluationMetric, number>> {
  counts: number[];
}

interface ScoredCase extends Record<EvaluationMetric, number> {
  name: string;
  scores: number[][];
  perClass: { images: number; recall: number | null; precision: number | null; f1: number | null }[];
  resampled?: Resampled;
}

interface ClassCase extends ScoredCase {
  kind: 'multi-class' | 'binary' | 'ordinal';
  labels: number[];
  confusion?: number[][];
  topK?: Record<string, number>;
}

interface FlagCase extends ScoredCase {
  kind: 'multi-label';
  labels: number[][];
}

interface Golden {
  metrics: (ClassCase | FlagCase)[];
  delong: {
    name: string;
    first: number[];
    second: number[];
    labels: number[];
    difference: number;
    standardError: number;
    p: number;
  }[];
  mcnemar: { onlyFirst: number; onlySecond: number; both: number; p: number }[];
  intervals: { values: number[]; level: number; bounds: [number, number] }[];
  normal: { z: number; p: number }[];
  logistic: {
    name: string;
    classes: number;
    c: number;
    features: number[][];
    labels: number[];
    test: number[][];
    testProbabilities: number[][];
    trainLogLoss: number;
  }[];
  embeddings: { name: string; values: number[][]; effectiveRank: number; std: number }[];
}

// Written by tools/golden/metrics.py.
const golden: Golden = JSON.parse(readFileSync(new URL('../golden/metrics.json', import.meta.url), 'utf8'));

const classCases = golden.metrics.filter((one): one is ClassCase => one.kind !== 'multi-label');

const labelsOf = (one: ClassCase | FlagCase): TaskLabels =>
  one.kind === 'multi-label'
    ? { kind: 'multi-label', flags: matrixOf(one.labels) }
    : { kind: one.kind, classes: one.labels };

const METRIC_NAMES = Object.keys(METRICS) as EvaluationMetric[];

describe('against scikit-learn and medmnist', () => {
  it.each(golden.metrics)('gives the same metrics: $name', (expected) => {
    for (const metric of METRIC_NAMES) {
      const found = METRICS[metric](matrixOf(expected.scores), labelsOf(expected))();
      expect(found, metric).toBeCloseTo(expected[metric], 12);
    }
  });

  it.each(golden.metrics.filter(({ resampled }) => resampled))(
    'gives the same metrics of images drawn with replacement: $name',
    ({ resampled, ...one }) => {
      const { counts, ...expected } = resampled!;
      for (const metric of METRIC_NAMES.filter((name) => name in expected)) {
        const found = METRICS[metric](matrixOf(one.scores), labelsOf(one))(counts);
        expect(found, metric).toBeCloseTo(expected[metric]!, 12);
      }
    },
  );

  it.each(golden.metrics)('gives the same recall, precision and F1 per class: $name', (expected) => {
    const found = perClassScores(matrixOf(expected.scores), labelsOf(expected));

    expect(found.map(({ images }) => images)).toEqual(expected.perClass.map(({ images }) => images));
    expected.perClass.forEach((scores, at) => {
      for (const name of ['recall', 'precision', 'f1'] as const) {
        if (scores[name] === null) expect(found[at]![name]).toBeUndefined();
        else expect(found[at]![name]).toBeCloseTo(scores[name], 12);
      }
    });
  });

  it.each(classCases.filter(({ confusion }) => confusion !== undefined))(
    'counts the same confusion: $name',
    (expected) => {
      const predicted = predictedClasses(matrixOf(expected.scores), 'multi-class');

      expect(confusionMatrix(predicted, expected.labels, expected.scores[0]!.length)).toEqual(
        expected.confusion,
      );
    },
  );

  it.each(classCases.filter(({ topK }) => topK !== undefined))('gives the same top-k: $name', (expected) => {
    for (const [k, value] of Object.entries(expected.topK!)) {
      expect(topK(matrixOf(expected.scores), expected.labels, Number(k))).toBeCloseTo(value, 9);
    }
  });

  it.each(golden.logistic)('finds the same logistic regression: $name', (expected) => {
    const features = matrixOf(expected.features);
    const statistics = columnStatistics(features);
    const train = standardise(features, statistics);

    const weights = fitLogistic(train, expected.labels, {
      classes: expected.classes,
      c: expected.c,
      tolerance: 1e-9,
    });

    const probabilities = predictLogistic(train, weights).data;
    const loss = expected.labels.reduce(
      (sum, label, row) =>
        sum - Math.log(probabilities[row * expected.classes + label]!) / expected.labels.length,
      0,
    );
    expect(loss).toBeCloseTo(expected.trainLogLoss, 6);
    const test = predictLogistic(standardise(matrixOf(expected.test), statistics), weights).data;
    expected.testProbabilities.flat().forEach((probability, at) => {
      expect(test[at]).toBeCloseTo(probability, 5);
    });
  });
});

describe('against scipy', () => {
  it.each(golden.delong)('gives the same DeLong test: $name', (expected) => {
    const found = delong(expected.first, expected.second, (image) => expected.labels[image] === 1);

    expect(found.difference).toBeCloseTo(expected.difference, 12);
    expect(found.standardError).toBeCloseTo(expected.standardError, 12);
    expect(found.p).toBeCloseTo(expected.p, 12);
  });

  it.each(golden.mcnemar)('gives the same McNemar test: $onlyFirst against $onlySecond', (expected) => {
    const { onlyFirst, onlySecond, both, p } = expected;
    const right = (own: number, other: number) => [
      ...new Array<number>(own).fill(1),
      ...new Array<number>(other).fill(0),
      ...new Array<number>(both).fill(1),
    ];

    const found = mcnemar(right(onlyFirst, onlySecond), [
      ...new Array<number>(onlyFirst).fill(0),
      ...new Array<number>(onlySecond).fill(1),
      ...new Array<number>(both).fill(1),
    ]);
    expect(found).toMatchObject({ onlyFirst, onlySecond });
    expect(found.p / p).toBeCloseTo(1, 9);
  });

  it.each(golden.normal)('gives the same normal tail at $z', ({ z, p }) => {
    expect(twoSidedNormal(z) / p).toBeCloseTo(1, 11);
    expect(twoSidedNormal(-z)).toBe(twoSidedNormal(z));
  });
});

describe('against numpy', () => {
  it.each(golden.intervals)(
    'gives the same quantiles at $level',
    ({ values, level, bounds: [low, high] }) => {
      const found = percentileInterval(Float64Array.from(values), level)!;

      expect(found.low).toBeCloseTo(low, 12);
      expect(found.high).toBeCloseTo(high, 12);
    },
  );

  it.each(golden.embeddings)('gives the same embedding std and effective rank: $name', (expected) => {
    const embeddings = matrixOf(expected.values);

    expect(embeddingStd(embeddings)).toBeCloseTo(expected.std, 9);
    expect(effectiveRank(embeddings)).toBeCloseTo(expected.effectiveRank, 4);
  });
});
