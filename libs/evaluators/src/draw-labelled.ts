import { MedformerError, Rng } from '@medformer/schema';

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
 * The generator of a task's labelled draw under a seed. Training from few labels and the probes take it from here, so that with
 * one seed they learn from the same images.
 */
export function labelledDraw(task: string, seed: number): Rng {
  return Rng.of('labelled', task, seed);
}
