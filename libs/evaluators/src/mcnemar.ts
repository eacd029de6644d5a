import { MedformerError } from '@medformer/schema';

export interface McnemarResult {
  /** Images that only the first predicts rightly. */
  onlyFirst: number;
  onlySecond: number;
  /** Two-sided and exact: that both are right equally often. */
  p: number;
}

/**
 * McNemar's exact test of two models on the same images: of the images that one of them alone predicts rightly, whether
 * each has half, by the binomial distribution. It takes images to be independent: of several images per subject use
 * `pairedBootstrap` over subjects.
 * @param first 1 where the first model is right, else 0, `[images]`
 */
export function mcnemar(first: ArrayLike<number>, second: ArrayLike<number>): McnemarResult {
  if (first.length !== second.length) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `McNemar: expected equally many images, found ${first.length} and ${second.length}`,
    );
  }
  let onlyFirst = 0;
  let onlySecond = 0;
  for (let image = 0; image < first.length; image += 1) {
    if (first[image] === second[image]) continue;
    if (first[image] === 1) onlyFirst += 1;
    else onlySecond += 1;
  }
  const p = Math.min(1, 2 * fairCoinTail(onlyFirst + onlySecond, Math.min(onlyFirst, onlySecond)));
  return { onlyFirst, onlySecond, p };
}

/** The probability of at most `most` heads of `throws`, in logarithms: 2^-1075 is no double. */
function fairCoinTail(throws: number, most: number): number {
  let logTerm = -throws * Math.LN2;
  let sum = Math.exp(logTerm);
  for (let heads = 1; heads <= most; heads += 1) {
    logTerm += Math.log((throws - heads + 1) / heads);
    sum += Math.exp(logTerm);
  }
  return sum;
}
