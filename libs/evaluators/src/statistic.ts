/**
 * A metric prepared on scores and labels, so that it can be computed again and again on resampled images: the value
 * when every image counts as often as `counts` says, `[images]`, once each when absent. Undefined where the counted
 * images do not define it, e.g. an AUC without negatives.
 */
export type Statistic = (counts?: ArrayLike<number>) => number | undefined;

/** The mean of the statistics' values, undefined as soon as one is: a mean over seeds. */
export function meanStatistic(statistics: readonly Statistic[]): Statistic {
  return (counts) => {
    let sum = 0;
    for (const statistic of statistics) {
      const value = statistic(counts);
      if (value === undefined) return undefined;
      sum += value;
    }
    return statistics.length === 0 ? undefined : sum / statistics.length;
  };
}

/** The mean of the values that are defined; undefined when none is. */
export function meanOfDefined(values: readonly (number | undefined)[]): number | undefined {
  const defined = values.filter((value) => value !== undefined);
  return defined.length === 0 ? undefined : defined.reduce((sum, value) => sum + value, 0) / defined.length;
}
