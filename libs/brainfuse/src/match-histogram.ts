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
