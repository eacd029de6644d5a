import { MedformerError, Rng } from '@medformer/schema';
import type { Matrix } from './matrix.js';
import type { TaskLabels } from './task-labels.js';

/**
 * A few-label training set: `perClass` images of every class, drawn without replacement.
 *
 * Which images are drawn depends on the generator and on the order of `labels` alone; callers that compare methods
 * give all of them the same generator key and order, so that they learn from the same images.
 * @param labels class index per image
 * @param classes names in index order, for the count of classes and the message
 * @returns image indices in ascending order, `[classes.length * perClass]`
 * @throws MedformerError FAILED_PRECONDITION naming each class that has too few images.
 */
export function drawLabelled(
  labels: ArrayLike<number>,
  classes: readonly string[],
  perClass: number,
  rng: Rng,
): number[] {
  const members: number[][] = classes.map(() => []);
  for (let image = 0; image < labels.length; image += 1) members[labels[image]!]?.push(image);
  const short = members.flatMap((images, index) =>
    images.length < perClass ? [`${classes[index]} has ${images.length}`] : [],
  );
  if (short.length > 0) {
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `labelled images per class: expected at least ${perClass} in the training split, found: ${short.join(', ')}`,
    );
  }
  return members
    .flatMap((images) => {
      const order = rng.permutation(images.length);
      return Array.from({ length: perClass }, (_, at) => images[order[at]!]!);
    })
    .sort((x, y) => x - y);
}

/**
 * A few-label training set of a multi-label task: images are drawn until every label has `perClass` positives among them,
 * label by label, an image counting for each of its labels; then `perClass` images without any label, or all there are.
 * @param flags `[images, labels]`
 * @returns image indices in ascending order
 * @throws MedformerError FAILED_PRECONDITION naming each label that has too few positives.
 */
export function drawMultiLabelled(
  { rows, columns, data }: Matrix,
  labels: readonly string[],
  perClass: number,
  rng: Rng,
): number[] {
  const images = Array.from({ length: rows }, (_, image) => image);
  const positivesOf = labels.map((_, label) => images.filter((image) => data[image * columns + label] === 1));
  const short = positivesOf.flatMap((positives, label) =>
    positives.length < perClass ? [`${labels[label]} has ${positives.length}`] : [],
  );
  if (short.length > 0) {
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `labelled images per class: expected at least ${perClass} positives of each label in the training split, found: ${short.join(', ')}`,
    );
  }
  const drawn = new Set<number>();
  for (const positives of positivesOf) {
    let missing = perClass - positives.filter((image) => drawn.has(image)).length;
    for (const at of rng.permutation(positives.length)) {
      if (missing <= 0) break;
      const image = positives[at]!;
      if (drawn.has(image)) continue;
      drawn.add(image);
      missing -= 1;
    }
  }
  const without = images.filter((image) => labels.every((_, label) => data[image * columns + label] === 0));
  for (const at of [...rng.permutation(without.length)].slice(0, perClass)) drawn.add(without[at]!);
  return [...drawn].sort((x, y) => x - y);
}

/** A few-label training set of a task of any kind; see the draws above. */
export function drawTaskLabelled(
  labels: TaskLabels,
  classes: readonly string[],
  perClass: number,
  rng: Rng,
): number[] {
  return labels.kind === 'multi-label'
    ? drawMultiLabelled(labels.flags, classes, perClass, rng)
    : drawLabelled(labels.classes, classes, perClass, rng);
}

/**
 * The generator of a task's labelled draw under a seed. Training from few labels and the probes take it from here, so that with
 * one seed they learn from the same images.
 */
export function labelledDraw(task: string, seed: number): Rng {
  return Rng.of('labelled', task, seed);
}
