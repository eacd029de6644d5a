/**
 * A sparse partition of unity from scores: source i weighs max(0, 1 - (best - score i) / width), divided by the sum over
 * sources. Continuous in the scores; away from borders one source has all. A width of 0 gives all to the best, the first
 * of equals.
 *
 * @param scores the sources' scores at one voxel
 * @param weights overwritten; sums to 1
 */
export function rampWeights(scores: Float64Array, width: number, weights: Float64Array): void {
  let best = 0;
  for (let source = 1; source < scores.length; source += 1)
    if (scores[source]! > scores[best]!) best = source;
  let sum = 0;
  for (let source = 0; source < scores.length; source += 1) {
    const behind = scores[best]! - scores[source]!;
    const weight = source === best ? 1 : width > 0 ? Math.max(0, 1 - behind / width) : 0;
    weights[source] = weight;
    sum += weight;
  }
  for (let source = 0; source < scores.length; source += 1) weights[source]! /= sum;
}
