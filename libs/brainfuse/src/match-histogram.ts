/**
 * A map of grey values from quantiles to quantiles: piecewise linear between them (Nyul and Udupa 1999, with an image in
 * place of a learnt standard scale). Monotone; the identity where both are the same. Values beyond the first or last
 * quantile go to the target's.
 *
 * @param from ascending quantiles of the image, `to` as many of its target
 */
export function matchQuantiles(from: Float32Array, to: Float32Array): (value: number) => number {
  return (value) => {
    let low = 0;
    let high = from.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (from[middle]! <= value) low = middle;
      else high = middle;
    }
    const span = from[high]! - from[low]!;
    const share = span > 0 ? Math.min(1, Math.max(0, (value - from[low]!) / span)) : 0;
    return to[low]! + share * (to[high]! - to[low]!);
  };
}

/**
 * `matchQuantiles` for the stored numbers 0 to `white`, which stand for [0, 1]: a table of what each becomes.
 */
export function matchTable(from: Float32Array, to: Float32Array, white: number): Float32Array {
  const table = new Float32Array(white + 1);
  const last = from.length - 1;
  table.fill(to[0]!, 0, Math.min(white + 1, Math.max(0, Math.ceil(from[0]! * white))));
  let level = Math.max(0, Math.ceil(from[0]! * white));
  for (let at = 0; at < last; at += 1) {
    const [begin, end] = [from[at]! * white, from[at + 1]! * white];
    const slope = end > begin ? (to[at + 1]! - to[at]!) / (end - begin) : 0;
    const next = Math.min(white + 1, Math.ceil(end));
    for (; level < next; level += 1) table[level] = to[at]! + (level - begin) * slope;
  }
  table.fill(to[last]!, level);
  return table;
}
