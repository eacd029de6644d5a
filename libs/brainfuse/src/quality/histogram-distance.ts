/**
 * 1-Wasserstein distance between the grey values that two histograms count: the area between their cumulative
 * distributions, as a share of the grey range.
 *
 * @param a and b count values per level, the levels evenly spaced from 0 to 1, as many in both; neither is empty
 */
export function histogramDistance(a: Float64Array, b: Float64Array): number {
  const [all, others] = [sumOf(a), sumOf(b)];
  let [mine, theirs, area] = [0, 0, 0];
  for (let level = 0; level + 1 < a.length; level += 1) {
    mine += a[level]! / all;
    theirs += b[level]! / others;
    area += Math.abs(mine - theirs);
  }
  return area / (a.length - 1);
}

function sumOf(counts: Float64Array): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
