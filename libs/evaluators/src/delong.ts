import { MedformerError } from '@medformer/schema';
import { tiedOrder } from './tied-order.js';
import { twoSidedNormal } from './two-sided-normal.js';

export interface DelongResult {
  /** Area of the first scores less area of the second. */
  difference: number;
  standardError: number;
  /** Two-sided: that both areas are equal. */
  p: number;
}

/**
 * DeLong's test of two correlated ROC areas of the same images (DeLong et al. 1988), the structural components by
 * mid-ranks in n log n (Sun and Xu 2014). It takes images to be independent: of several images per subject use
 * `pairedBootstrap` over subjects.
 * @param first scores of the positive class, `[images]`
 * @param second likewise, of the other model
 * @throws MedformerError FAILED_PRECONDITION for fewer than two positives or negatives, which have no variance.
 */
export function delong(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  positive: (image: number) => boolean,
): DelongResult {
  const images = Array.from({ length: first.length }, (_, image) => image);
  const positives = images.filter(positive);
  const negatives = images.filter((image) => !positive(image));
  if (positives.length < 2 || negatives.length < 2 || second.length !== first.length) {
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `DeLong: expected equally many scores of two positives and two negatives at least, found ${positives.length} and ${negatives.length}`,
    );
  }
  const x = components(first, positives, negatives);
  const y = components(second, positives, negatives);
  const difference = x.area - y.area;
  const variance =
    varianceOfDifference(x.ofPositives, y.ofPositives) / positives.length +
    varianceOfDifference(x.ofNegatives, y.ofNegatives) / negatives.length;
  const standardError = Math.sqrt(variance);
  if (standardError === 0) return { difference, standardError, p: difference === 0 ? 1 : 0 };
  return { difference, standardError, p: twoSidedNormal(difference / standardError) };
}

/** How often each positive scores above the negatives, and each negative below the positives; ties count half. */
function components(scores: ArrayLike<number>, positives: number[], negatives: number[]) {
  const all = midRanks(scores, [...positives, ...negatives]);
  const amongPositives = midRanks(scores, positives);
  const amongNegatives = midRanks(scores, negatives);
  const ofPositives = Float64Array.from(
    positives,
    (_, at) => (all[at]! - amongPositives[at]!) / negatives.length,
  );
  const ofNegatives = Float64Array.from(
    negatives,
    (_, at) => 1 - (all[positives.length + at]! - amongNegatives[at]!) / positives.length,
  );
  return { area: mean(ofPositives), ofPositives, ofNegatives };
}

/** Rank of each image among the given ones, from 1; equal scores share the middle of their ranks. */
function midRanks(scores: ArrayLike<number>, images: number[]): Float64Array {
  const { order, ends } = tiedOrder(Float64Array.from(images, (image) => scores[image]!));
  const ranks = new Float64Array(images.length);
  let at = 0;
  for (const end of ends) {
    const rank = (at + 1 + end) / 2;
    for (; at < end; at += 1) ranks[order[at]!] = rank;
  }
  return ranks;
}

function varianceOfDifference(x: Float64Array, y: Float64Array): number {
  const differences = x.map((value, at) => value - y[at]!);
  const centre = mean(differences);
  return differences.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (differences.length - 1);
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
