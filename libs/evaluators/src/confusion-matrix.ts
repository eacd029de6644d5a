/**
 * Image counts by `[true class][predicted class]`.
 * @param predicted class indices, `[images]`
 * @param truth class indices, `[images]`
 */
export function confusionMatrix(
  predicted: ArrayLike<number>,
  truth: ArrayLike<number>,
  classes: number,
): number[][] {
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let image = 0; image < truth.length; image += 1) {
    const row = counts[truth[image]!]!;
    row[predicted[image]!]! += 1;
  }
  return counts;
}

/** The element-wise sum of confusion matrices of one size. */
export function addConfusion(x: number[][], y: number[][]): number[][] {
  return x.map((row, truth) => row.map((count, predicted) => count + y[truth]![predicted]!));
}
