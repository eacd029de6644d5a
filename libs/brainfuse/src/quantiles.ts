/** More values than this say no more about a few dozen quantiles. */
const MOST_SAMPLES = 65_536;

/**
 * Evenly spaced quantiles of the values above the darkest, which is air around a body, with the darkest itself in place
 * of the lowest. Of a large image every so many values are read.
 *
 * @returns `points` ascending values, in the units of `values`
 */
export function quantiles(values: Float32Array | Uint8Array | Uint16Array, points: number): Float32Array {
  const stride = 2 * Math.floor(Math.ceil(values.length / MOST_SAMPLES) / 2) + 1;
  const sorted = new Float32Array(Math.ceil(values.length / stride));
  for (let at = 0; at < sorted.length; at += 1) sorted[at] = values[at * stride]!;
  sorted.sort();
  const darkest = sorted[0]!;
  const begin = sorted.findIndex((value) => value > darkest);
  const body = begin < 0 ? sorted : sorted.subarray(begin);
  return Float32Array.from({ length: points }, (_, at) =>
    at === 0 ? darkest : body[Math.round((at * (body.length - 1)) / (points - 1))]!,
  );
}
