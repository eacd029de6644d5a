import type { Matrix } from './matrix.js';

/**
 * Fraction of images whose class is among the `k` largest scores. Of equal scores the lower class index ranks first,
 * as in `argmax`, so that top-1 is the multi-class accuracy. 1 when `k` reaches the number of classes.
 * @param scores `[images, classes]`
 * @param classes true class indices, `[images]`
 */
export function topK(scores: Matrix, classes: ArrayLike<number>, k: number): number {
  const { rows, columns, data } = scores;
  let hits = 0;
  for (let row = 0; row < rows; row += 1) {
    const truth = classes[row]!;
    const score = data[row * columns + truth]!;
    let above = 0;
    for (let column = 0; column < columns; column += 1) {
      const other = data[row * columns + column]!;
      if (other > score || (other === score && column < truth)) above += 1;
    }
    if (above < k) hits += 1;
  }
  return hits / rows;
}
