/**
 * The fold of each image, `[images]`: the members of every class are dealt to the folds in turn, in their given order.
 * Each class starts where the last one stopped, so that the folds stay equal in size.
 */
export function stratifiedFolds(labels: ArrayLike<number>, folds: number): Int32Array {
  const byClass = Array.from({ length: labels.length }, (_, image) => image).sort(
    (x, y) => labels[x]! - labels[y]! || x - y,
  );
  const assignment = new Int32Array(labels.length);
  byClass.forEach((image, turn) => {
    assignment[image] = turn % folds;
  });
  return assignment;
}
