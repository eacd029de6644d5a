/** A padded batch is computed whole: more than this share of it must be images. */
const LEAST_FILLED = 0.75;

/** From here on there is a size between two powers of two as well: padding a larger batch costs more. */
const BETWEEN_FROM = 8;

/**
 * Sizes a batch is computed at: the powers of two below `most`, one and a half times the larger of them, and `most`. Few,
 * because each costs a recorded function a shape of image.
 */
export function batchSizes(most: number): number[] {
  const sizes: number[] = [];
  for (let size = 1; size < most; size *= 2) {
    sizes.push(size);
    const between = 1.5 * size;
    if (size >= BETWEEN_FROM && between < most) sizes.push(between);
  }
  return [...sizes, most];
}

/**
 * How many of the images that wait go together, and the size they are padded to: the next size where few places of it
 * stay empty, otherwise the size below, filled.
 */
export function fittingBatch(waiting: number, sizes: readonly number[]): { images: number; size: number } {
  const above = sizes.find((size) => size >= waiting);
  if (above === undefined) return { images: sizes.at(-1)!, size: sizes.at(-1)! };
  const below = sizes.findLast((size) => size < waiting);
  if (below === undefined || waiting / above >= LEAST_FILLED) return { images: waiting, size: above };
  return { images: below, size: below };
}
