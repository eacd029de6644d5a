import { MedformerError } from '@medformer/schema';

/** Images by ascending score, and where each run of equal scores ends. */
export interface TiedOrder {
  order: Uint32Array;
  /** Exclusive ends of the runs in `order`, ascending. */
  ends: Uint32Array;
}

/** @throws MedformerError INVALID_ARGUMENT for a NaN score, which has no rank. */
export function tiedOrder(scores: ArrayLike<number>): TiedOrder {
  const order = Uint32Array.from({ length: scores.length }, (_, image) => image);
  for (const image of order) {
    if (Number.isNaN(scores[image])) {
      throw new MedformerError('INVALID_ARGUMENT', `scores: image ${image}: expected a number, found NaN`);
    }
  }
  order.sort((x, y) => scores[x]! - scores[y]!);
  const ends: number[] = [];
  for (let at = 1; at <= order.length; at += 1) {
    if (at === order.length || scores[order[at]!] !== scores[order[at - 1]!]) ends.push(at);
  }
  return { order, ends: Uint32Array.from(ends) };
}
