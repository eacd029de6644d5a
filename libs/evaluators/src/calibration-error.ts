import { MedformerError } from '@medformer/schema';
import type { Matrix } from './matrix.js';
import { predictedClasses } from './predictions.js';
import { meanOfDefined, type Statistic } from './statistic.js';
import { expectScored, type TaskLabels } from './task-labels.js';

export interface CalibrationOptions {
  /** Bins of equal width over the confidence, `(low, high]`; 0 falls into the first. */
  bins?: number;
}

/**
 * Expected calibration error (Guo et al. 2017, equation 3): the mean over images of the gap between accuracy and mean
 * confidence in the bin of their confidence, with 15 bins of equal width as there. Confidence is the probability of the
 * predicted class; a multi-label task is the mean over labels, each a binary task.
 *
 * It depends on the bins, and is above 0 even of a calibrated model on few images: compare it at equal bins and images.
 * @param scores `[images, classes]`, probabilities.
 * @returns in [0, 1]; 0 is calibrated.
 * @throws MedformerError INVALID_ARGUMENT for a score outside [0, 1].
 */
export function calibrationError(scores: Matrix, labels: TaskLabels, options?: CalibrationOptions): number {
  return calibrationErrorStatistic(scores, labels, options)()!;
}

/** `calibrationError` on resampled images; undefined when none is counted. */
export function calibrationErrorStatistic(
  scores: Matrix,
  labels: TaskLabels,
  { bins = 15 }: CalibrationOptions = {},
): Statistic {
  expectScored(scores, labels);
  // Probabilities that were rounded to 32 bits may sum to a little more than 1.
  const wrong = scores.data.findIndex((score: number) => score < 0 || score > 1 + 1e-6);
  if (wrong >= 0) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `scores: image ${Math.floor(wrong / scores.columns)}: expected a probability, found ${scores.data[wrong]}`,
    );
  }
  const tasks = judgements(scores, labels).map((task) => gapStatistic(task, bins));
  return (counts) => meanOfDefined(tasks.map((task) => task(counts)));
}

interface Judgements {
  confidence: Float64Array;
  right: Uint8Array;
}

function judgements(scores: Matrix, labels: TaskLabels): Judgements[] {
  const { rows, columns, data } = scores;
  if (labels.kind === 'multi-label') {
    return Array.from({ length: columns }, (_, label) => {
      const of = (image: number) => data[image * columns + label]!;
      return {
        confidence: Float64Array.from({ length: rows }, (_, image) => Math.max(of(image), 1 - of(image))),
        right: Uint8Array.from({ length: rows }, (_, image) =>
          Number(of(image) > 0.5 === (labels.flags.data[image * columns + label] === 1)),
        ),
      };
    });
  }
  const predicted = predictedClasses(scores, labels.kind);
  const confidenceOf = (image: number) => {
    if (labels.kind !== 'binary') return data[image * columns + predicted[image]!]!;
    const positive = data[image * columns + columns - 1]!;
    return Math.max(positive, 1 - positive);
  };
  return [
    {
      confidence: Float64Array.from({ length: rows }, (_, image) => confidenceOf(image)),
      right: Uint8Array.from({ length: rows }, (_, image) =>
        Number(predicted[image] === labels.classes[image]),
      ),
    },
  ];
}

function gapStatistic({ confidence, right }: Judgements, bins: number): Statistic {
  const binOf = Uint32Array.from(confidence, (value) =>
    Math.min(bins - 1, Math.max(0, Math.ceil(value * bins) - 1)),
  );
  return (counts) => {
    const gaps = new Float64Array(bins);
    let images = 0;
    for (let image = 0; image < confidence.length; image += 1) {
      const count = counts ? counts[image]! : 1;
      gaps[binOf[image]!]! += count * (right[image]! - confidence[image]!);
      images += count;
    }
    return images === 0 ? undefined : gaps.reduce((sum, gap) => sum + Math.abs(gap), 0) / images;
  };
}
