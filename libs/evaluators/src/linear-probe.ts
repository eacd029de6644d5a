import { MedformerError } from '@medformer/schema';
import { fitLogistic, predictLogistic } from './logistic-regression.js';
import { type Matrix, takeRows } from './matrix.js';
import { argmax } from './predictions.js';
import { columnStatistics, standardise } from './standardise.js';
import { stratifiedFolds } from './stratified-folds.js';

/** Candidate inverse penalties, weak models first; each is the warm start of the next. */
export const PROBE_STRENGTHS = [1e-2, 1e-1, 1, 10, 100] as const;

export interface LinearProbeOptions {
  classes: number;
  strengths?: readonly number[];
  /** Cross-validation folds; fewer when no class has as many images. */
  folds?: number;
  /** What decides between penalties. */
  choice?: 'accuracy' | 'likelihood';
}

export interface LinearProbeResult {
  /** Class probabilities, `[test rows, classes]`. */
  scores: Matrix;
  /** The chosen inverse penalty. */
  c: number;
}

/**
 * A linear classifier on frozen features: features standardised by their training statistics, multinomial logistic
 * regression, the penalty chosen by stratified cross-validation on the training labels: by accuracy, of equally accurate
 * ones by log-likelihood, unless `choice` asks for likelihood alone, which prefers models too weak to tell classes apart
 * from ten labels a class.
 * The test features never take part in a choice. Deterministic.
 * @param train `[train rows, width]`
 * @param labels class index per training row
 * @param test `[test rows, width]`
 * @throws MedformerError INVALID_ARGUMENT for no rows or widths that differ.
 */
export function linearProbe(
  train: Matrix,
  labels: ArrayLike<number>,
  test: Matrix,
  {
    classes,
    strengths = PROBE_STRENGTHS,
    folds = train.rows > 200 ? 3 : 5,
    choice = 'accuracy',
  }: LinearProbeOptions,
): LinearProbeResult {
  if (train.rows === 0 || train.rows !== labels.length || train.columns !== test.columns) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `linear probe: train [${train.rows}, ${train.columns}] with ${labels.length} labels against test [${test.rows}, ${test.columns}]`,
    );
  }
  const c = chooseStrength(train, labels, classes, strengths, Math.min(folds, largestClass(labels)), choice);
  const statistics = columnStatistics(train);
  const weights = fitLogistic(standardise(train, statistics), labels, { classes, c, tolerance: 1e-4 });
  return { scores: predictLogistic(standardise(test, statistics), weights), c };
}

function chooseStrength(
  train: Matrix,
  labels: ArrayLike<number>,
  classes: number,
  strengths: readonly number[],
  folds: number,
  choice: 'accuracy' | 'likelihood',
): number {
  // One image per class leaves nothing to validate on: the middle of the grid.
  if (folds < 2) return strengths[strengths.length >> 1]!;
  const assignment = stratifiedFolds(labels, folds);
  const right = new Float64Array(strengths.length);
  const logLikelihood = new Float64Array(strengths.length);
  for (let fold = 0; fold < folds; fold += 1) {
    const inside = rowsWhere(assignment, (other) => other !== fold);
    const outside = rowsWhere(assignment, (other) => other === fold);
    const fitted = takeRows(train, inside);
    const statistics = columnStatistics(fitted);
    const features = standardise(fitted, statistics);
    const heldOut = standardise(takeRows(train, outside), statistics);
    const fittedLabels = inside.map((row) => labels[row]!);
    let start = new Float64Array((train.columns + 1) * classes);
    strengths.forEach((c, index) => {
      start = Float64Array.from(
        fitLogistic(features, fittedLabels, { classes, c, start, tolerance: 1e-3, maxIterations: 50 }),
      );
      const scores = predictLogistic(heldOut, start);
      const predicted = argmax(scores);
      outside.forEach((row, at) => {
        const label = labels[row]!;
        right[index]! += Number(predicted[at] === label);
        logLikelihood[index]! += Math.log(Math.max(scores.data[at * classes + label]!, 1e-12));
      });
    });
  }
  const ranked = [...strengths.keys()].sort(
    (x, y) => (choice === 'accuracy' ? right[y]! - right[x]! : 0) || logLikelihood[y]! - logLikelihood[x]!,
  );
  return strengths[ranked[0]!]!;
}

function rowsWhere(assignment: Int32Array, wanted: (fold: number) => boolean): number[] {
  return Array.from(assignment.keys()).filter((row) => wanted(assignment[row]!));
}

function largestClass(labels: ArrayLike<number>): number {
  const counts = new Map<number, number>();
  for (let row = 0; row < labels.length; row += 1)
    counts.set(labels[row]!, (counts.get(labels[row]!) ?? 0) + 1);
  return Math.max(...counts.values());
}
