/** Quantiles at which two histograms are matched. */
const POINTS = 33;

/**
 * The image with its grey values mapped so that their quantiles are those of `target`: piecewise linear between
 * evenly spaced quantiles (Nyul and Udupa 1999, with the target in place of a learnt standard scale). Monotone, and the
 * identity where both have the same quantiles. Quantiles are of the values above the darkest, so that the amount of air
 * around a body does not matter.
 *
 * @param values in [0, 1]; not changed
 */
export function matchHistogram(values: Float32Array, target: Float32Array): Float32Array {
  return mapLinear(values, quantiles(values), quantiles(target));
}

/** POINTS ascending values. */
export function quantiles(values: Float32Array): Float32Array {
  const sorted = values.slice().sort();
  const darkest = sorted[0]!;
  const begin = sorted.findIndex((value) => value > darkest);
  const body = begin < 0 ? sorted : sorted.subarray(begin);
  const points = Float32Array.from(
    { length: POINTS },
    (_, at) => body[Math.round((at * (body.length - 1)) / (POINTS - 1))]!,
  );
  points[0] = darkest;
  return points;
}

function mapLinear(values: Float32Array, from: Float32Array, to: Float32Array): Float32Array {
  return values.map((value) => {
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
  });
}
