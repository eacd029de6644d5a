import type { BootstrapSpec, PairedTest } from '@medformer/schema';
import { rightPerImage } from './accuracy.js';
import type { SamplingUnits } from './bootstrap.js';
import { delong } from './delong.js';
import { columnOf, type Matrix } from './matrix.js';
import { mcnemar } from './mcnemar.js';
import { METRICS } from './metrics.js';
import { pairedBootstrap } from './paired-bootstrap.js';
import { meanStatistic } from './statistic.js';
import type { TaskLabels } from './task-labels.js';

/** The scores of one entry of an evaluation: `[images, classes]` per seed. */
export interface SeededScores {
  seed: number;
  scores: Matrix;
}

/**
 * Every test that two entries allow on the same images: the paired bootstrap of the mean AUC and accuracy over seeds;
 * and, where every image is its own subject, per seed that both have, DeLong of a binary task's areas and McNemar of
 * accuracies, which take images to be independent.
 */
export function compareRows(
  first: readonly SeededScores[],
  second: readonly SeededScores[],
  labels: TaskLabels,
  units: SamplingUnits,
  spec: BootstrapSpec,
): Omit<PairedTest, 'first' | 'second'>[] {
  const tests: Omit<PairedTest, 'first' | 'second'>[] = [];
  for (const metric of ['auc', 'accuracy'] as const) {
    const mean = (of: readonly SeededScores[]) =>
      meanStatistic(of.map(({ scores }) => METRICS[metric](scores, labels)));
    const paired = pairedBootstrap(mean(first), mean(second), units, spec);
    if (paired) tests.push({ metric, test: 'paired-bootstrap', ...paired });
  }
  if (labels.kind === 'multi-label' || units.count < units.of.length) return tests;
  for (const { seed, scores } of first) {
    const other = second.find((candidate) => candidate.seed === seed)?.scores;
    if (!other) continue;
    if (labels.kind === 'binary' && hasSpread(labels.classes)) {
      const last = (matrix: Matrix) => columnOf(matrix, matrix.columns - 1);
      const { difference, p } = delong(last(scores), last(other), (image) => labels.classes[image] === 1);
      tests.push({ metric: 'auc', test: 'delong', seed, difference, p });
    }
    const { onlyFirst, onlySecond, p } = mcnemar(rightPerImage(scores, labels), rightPerImage(other, labels));
    const difference = (onlyFirst - onlySecond) / scores.rows;
    tests.push({ metric: 'accuracy', test: 'mcnemar-exact', seed, difference, p });
  }
  return tests;
}

/** DeLong's variance needs two images of each class. */
function hasSpread(classes: ArrayLike<number>): boolean {
  const positives = Array.from(classes).reduce((sum, label) => sum + label, 0);
  return Math.min(positives, classes.length - positives) >= 2;
}
