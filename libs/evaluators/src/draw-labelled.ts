import { type LabelDraw, MedformerError, Rng } from '@medformer/schema';
import type { Matrix } from './matrix.js';
import { labelled, type TaskLabels } from './task-labels.js';

/** How many of the images of a class, or of the positives of a label, are wanted. */
type Wanted = (images: number) => number;

/**
 * A few-label training set: so many images of every class, drawn without replacement. Under one key a larger draw has all
 * that a smaller one has.
 *
 * Which images are drawn depends on the generator and on the order of `labels` alone; callers that compare methods
 * give all of them the same generator key and order, so that they learn from the same images.
 * @param labels class index per image
 * @param classes names in index order, for the count of classes and the message
 * @returns image indices in ascending order
 * @throws MedformerError FAILED_PRECONDITION naming each class that has too few images.
 */
export function drawLabelled(
  labels: ArrayLike<number>,
  classes: readonly string[],
  wanted: Wanted,
  rng: Rng,
): number[] {
  const members: number[][] = classes.map(() => []);
  for (let image = 0; image < labels.length; image += 1) members[labels[image]!]?.push(image);
  requireEnough(members, classes, wanted, '');
  return members
    .flatMap((images) => {
      const order = rng.permutation(images.length);
      return Array.from({ length: wanted(images.length) }, (_, at) => images[order[at]!]!);
    })
    .sort((x, y) => x - y);
}

/**
 * A few-label training set of a multi-label task: images are drawn until every label has so many positives among them,
 * label by label, an image counting for each of its labels; then so many images without any label, or all there are.
 * @param flags `[images, labels]`
 * @returns image indices in ascending order
 * @throws MedformerError FAILED_PRECONDITION naming each label that has too few positives.
 */
export function drawMultiLabelled(
  { rows, columns, data }: Matrix,
  labels: readonly string[],
  wanted: Wanted,
  rng: Rng,
): number[] {
  const images = Array.from({ length: rows }, (_, image) => image);
  const positivesOf = labels.map((_, label) => images.filter((image) => data[image * columns + label] === 1));
  requireEnough(positivesOf, labels, wanted, ' positives of each label');
  const drawn = new Set<number>();
  for (const positives of positivesOf) {
    let missing = wanted(positives.length) - positives.filter((image) => drawn.has(image)).length;
    for (const at of rng.permutation(positives.length)) {
      if (missing <= 0) break;
      const image = positives[at]!;
      if (drawn.has(image)) continue;
      drawn.add(image);
      missing -= 1;
    }
  }
  const without = images.filter((image) => labels.every((_, label) => data[image * columns + label] === 0));
  for (const at of [...rng.permutation(without.length)].slice(0, wanted(without.length)))
    drawn.add(without[at]!);
  return [...drawn].sort((x, y) => x - y);
}

/** A few-label training set of a task of any kind; see the draws above. All images where nothing is to be drawn. */
export function drawTaskLabelled(
  labels: TaskLabels,
  classes: readonly string[],
  { labelsPerClass, labelFraction = 1 }: LabelDraw,
  rng: Rng,
): number[] {
  if (labelsPerClass === undefined && labelFraction === 1)
    return Array.from({ length: labelled(labels) }, (_, image) => image);
  const wanted: Wanted = (images) =>
    labelsPerClass ?? Math.min(images, Math.max(1, Math.round(labelFraction * images)));
  return labels.kind === 'multi-label'
    ? drawMultiLabelled(labels.flags, classes, wanted, rng)
    : drawLabelled(labels.classes, classes, wanted, rng);
}

/**
 * The generator of a task's labelled draw under a seed. Training from few labels and the probes take it from here, so that with
 * one seed they learn from the same images.
 */
export function labelledDraw(task: string, seed: number): Rng {
  return Rng.of('labelled', task, seed);
}

function requireEnough(
  members: readonly (readonly number[])[],
  names: readonly string[],
  wanted: Wanted,
  ofWhat: string,
): void {
  const short = members.flatMap(({ length }, at) =>
    length < wanted(length) ? [{ expected: wanted(length), found: `${names[at]} has ${length}` }] : [],
  );
  if (short.length === 0) return;
  throw new MedformerError(
    'FAILED_PRECONDITION',
    `labelled images per class: expected at least ${short[0]!.expected}${ofWhat} in the training split, found: ${short.map(({ found }) => found).join(', ')}`,
  );
}
