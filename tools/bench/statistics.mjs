/** What is said of a list of times. */

/** @param {number[]} values */
export function summarise(values) {
  return {
    count: values.length,
    min: Math.min(...values),
    lower: quantile(values, 0.25),
    median: quantile(values, 0.5),
    upper: quantile(values, 0.75),
    max: Math.max(...values),
  };
}

/** Quantile by linear interpolation between the order statistics. */
export function quantile(values, share) {
  const sorted = [...values].sort((x, y) => x - y);
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
}

export const median = (values) => quantile(values, 0.5);

/**
 * How many times as long the other side takes, round by round: neighbours in time share the machine's mood.
 * @param {number[][]} ours milliseconds of each call, by round
 * @param {number[][]} theirs
 */
export function ratioOf(ours, theirs) {
  return summarise(ours.map((round, index) => median(theirs[index]) / median(round)));
}
