import type { Rng } from '@medformer/schema';

/** Owners of `parts` things dealt out to `sources` as evenly as can be, in random order. */
export function dealt(parts: number, sources: number, rng: Rng): Int32Array {
  const seats = rng.permutation(sources);
  const order = rng.permutation(parts);
  const owner = new Int32Array(parts);
  order.forEach((part, turn) => {
    owner[part] = seats[turn % sources]!;
  });
  return owner;
}
