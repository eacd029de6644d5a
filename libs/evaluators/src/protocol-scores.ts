import { linearProbe } from './linear-probe.js';
import type { Matrix } from './matrix.js';
import { columnStatistics, standardise } from './standardise.js';
import type { TaskLabels } from './task-labels.js';
import { weightedVotes } from './weighted-knn.js';

/** Frozen features with their labels, and those to be scored. */
export interface ProtocolInput {
  /** `[train rows, width]` */
  train: Matrix;
  /** Of the training rows. */
  labels: TaskLabels;
  /** `[test rows, width]` */
  test: Matrix;
  /** Classes, or labels of a multi-label task. */
  classes: number;
}

/**
 * Probabilities of the test rows by a linear probe, `[test rows, classes]`: one multinomial regression, of a multi-label
 * task one regression per label with a penalty of its own, chosen by likelihood: at few positives nearly every penalty
 * is equally accurate. A label that is the same in all training rows is predicted as that.
 */
export function probeScores({ train, labels, test, classes }: ProtocolInput): Matrix {
  if (labels.kind !== 'multi-label') return linearProbe(train, labels.classes, test, { classes }).scores;
  const { rows, columns, data } = labels.flags;
  const scores = new Float64Array(test.rows * columns);
  for (let label = 0; label < columns; label += 1) {
    const flags = Int32Array.from({ length: rows }, (_, row) => data[row * columns + label]!);
    const positives = flags.reduce((sum, flag) => sum + flag, 0);
    const probabilities =
      positives === 0 || positives === rows
        ? undefined
        : linearProbe(train, flags, test, { classes: 2, choice: 'likelihood' }).scores.data;
    for (let row = 0; row < test.rows; row += 1)
      scores[row * columns + label] = probabilities ? probabilities[row * 2 + 1]! : Math.sign(positives);
  }
  return { rows: test.rows, columns, data: scores };
}

/**
 * Scores of the test rows by their nearest training rows, `[test rows, classes]`; of a multi-label task the weighted
 * share of neighbours with each label. Features are standardised by their training statistics, as the linear probe sees
 * them: embeddings of a narrow cone have cosines near 1 with everything, and centring lets them differ (SimpleShot, Wang
 * et al. 2019).
 */
export function knnScores({ train, labels, test, classes }: ProtocolInput): Matrix {
  const statistics = columnStatistics(train);
  const targets = labels.kind === 'multi-label' ? labels.flags : oneHot(labels.classes, classes);
  return weightedVotes(standardise(train, statistics), targets, standardise(test, statistics));
}

function oneHot(labels: ArrayLike<number>, classes: number): Matrix {
  const data = new Float64Array(labels.length * classes);
  for (let row = 0; row < labels.length; row += 1) data[row * classes + labels[row]!] = 1;
  return { rows: labels.length, columns: classes, data };
}
