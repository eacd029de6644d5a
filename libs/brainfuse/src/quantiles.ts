/** More values than this say no more about a few dozen quantiles. */
const MOST_SAMPLES = 65_536;
/** From so many values on, 16-bit numbers are counted sooner than sorted. */
const COUNTED = 4096;

/** Of one call at a time. */
const COUNTS = new Uint32Array(65_536);

/**
 * Evenly spaced quantiles of the values above the darkest, which is air around a body, with the darkest itself in place
 * of the lowest. Of a large image every so many values are read.
 *
 * @returns `points` ascending values, in the units of `values`
 */
export function quantiles(values: Float32Array | Uint8Array | Uint16Array, points: number): Float32Array {
  const stride = 2 * Math.floor(Math.ceil(values.length / MOST_SAMPLES) / 2) + 1;
  const samples = Math.ceil(values.length / stride);
  const counted = values instanceof Uint8Array || (values instanceof Uint16Array && samples >= COUNTED);
  return counted ? byCounting(values, stride, samples, points) : bySorting(values, stride, samples, points);
}

function bySorting(
  values: Float32Array | Uint16Array,
  stride: number,
  samples: number,
  points: number,
): Float32Array {
  const sorted = new Float32Array(samples);
  for (let at = 0; at < samples; at += 1) sorted[at] = values[at * stride]!;
  sorted.sort();
  const darkest = sorted[0]!;
  const begin = sorted.findIndex((value) => value > darkest);
  const body = begin < 0 ? sorted : sorted.subarray(begin);
  return Float32Array.from({ length: points }, (_, at) =>
    at === 0 ? darkest : body[rankOf(at, body.length, points)]!,
  );
}

function byCounting(
  values: Uint8Array | Uint16Array,
  stride: number,
  samples: number,
  points: number,
): Float32Array {
  const counts = COUNTS.subarray(0, values instanceof Uint8Array ? 256 : 65_536).fill(0);
  for (let at = 0; at < samples; at += 1) counts[values[at * stride]!]! += 1;
  const darkest = counts.findIndex((count) => count > 0);
  const body = samples - counts[darkest]!;
  const found = new Float32Array(points).fill(darkest);
  if (body === 0) return found;
  let level = darkest + 1;
  let below = 0;
  for (let at = 1; at < points; at += 1) {
    const rank = rankOf(at, body, points);
    while (below + counts[level]! <= rank) {
      below += counts[level]!;
      level += 1;
    }
    found[at] = level;
  }
  return found;
}

/** Which of `length` ascending values is quantile `at` of `points`. */
function rankOf(at: number, length: number, points: number): number {
  return Math.round((at * (length - 1)) / (points - 1));
}
