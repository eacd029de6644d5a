/**
 * 1-Wasserstein distance between two sets of grey values: the area between their cumulative distributions, in grey values.
 * Two sets of equal size: the mean distance of the values of equal rank.
 *
 * @param a and b are not empty, of any order and size; not changed
 */
export function histogramDistance(a: Float32Array, b: Float32Array): number {
  const [x, y] = [a.slice().sort(), b.slice().sort()];
  let [i, j, area] = [0, 0, 0];
  let value = Math.min(x[0]!, y[0]!);
  while (i < x.length || j < y.length) {
    const next = Math.min(x[i] ?? Number.POSITIVE_INFINITY, y[j] ?? Number.POSITIVE_INFINITY);
    area += (next - value) * Math.abs(i / x.length - j / y.length);
    value = next;
    while (x[i] === value) i += 1;
    while (y[j] === value) j += 1;
  }
  return area;
}
