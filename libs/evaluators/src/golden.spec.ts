import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { accuracy } from './accuracy.js';
import { auc } from './auc.js';
import { confusionMatrix } from './confusion-matrix.js';
import { effectiveRank, embeddingStd } from './embedding-statistics.js';
import { fitLogistic, predictLogistic } from './logistic-regression.js';
import { matrixOf } from './matrix.js';
import { predictedClasses } from './predictions.js';
import { columnStatistics, standardise } from './standardise.js';
import type { TaskLabels } from './task-labels.js';
import { topK } from './top-k.js';

interface ScoredCase {
  name: string;
  scores: number[][];
  auc: number;
  accuracy: number;
}

interface ClassCase extends ScoredCase {
  kind: 'multi-class' | 'binary';
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

describe('against scikit-learn', () => {
  it.each(golden.metrics)('gives the same AUC and accuracy: $name', (expected) => {
    const labels: TaskLabels =
      expected.kind === 'multi-label'
        ? { kind: 'multi-label', flags: matrixOf(expected.labels) }
        : { kind: expected.kind, classes: expected.labels };
    const scores = matrixOf(expected.scores);

    expect(auc(scores, labels)).toBeCloseTo(expected.auc, 9);
    expect(accuracy(scores, labels)).toBeCloseTo(expected.accuracy, 9);
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

describe('against numpy', () => {
  it.each(golden.embeddings)('gives the same embedding std and effective rank: $name', (expected) => {
    const embeddings = matrixOf(expected.values);

    expect(embeddingStd(embeddings)).toBeCloseTo(expected.std, 9);
    expect(effectiveRank(embeddings)).toBeCloseTo(expected.effectiveRank, 4);
  });
});
