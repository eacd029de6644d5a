import type { EvaluationMetric } from '@medformer/schema';
import { accuracyStatistic } from './accuracy.js';
import { aucStatistic } from './auc.js';
import { averagePrecisionStatistic } from './average-precision.js';
import { balancedAccuracyStatistic } from './balanced-accuracy.js';
import { calibrationErrorStatistic } from './calibration-error.js';
import { macroF1Statistic } from './f1.js';
import type { Matrix } from './matrix.js';
import type { Statistic } from './statistic.js';
import type { TaskLabels } from './task-labels.js';

/** What is computed of every kind of task. */
export const METRICS: Readonly<Record<EvaluationMetric, (scores: Matrix, labels: TaskLabels) => Statistic>> =
  {
    auc: aucStatistic,
    accuracy: accuracyStatistic,
    averagePrecision: averagePrecisionStatistic,
    f1: macroF1Statistic,
    balancedAccuracy: balancedAccuracyStatistic,
    calibrationError: calibrationErrorStatistic,
  };
