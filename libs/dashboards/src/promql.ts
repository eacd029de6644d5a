/** The rate over Grafana's interval of a counter of the chosen services, summed by labels. */
export function rate(counter: string, by: readonly string[] = [], labels = ''): string {
  return `sum${grouping(by)} (rate(${chosen(counter, labels)}[$__rate_interval]))`;
}

/** A quantile of a histogram of the chosen services. */
export function quantile(q: number, histogram: string, by: readonly string[] = [], labels = ''): string {
  return `histogram_quantile(${q}, ${rate(`${histogram}_bucket`, ['le', ...by], labels)})`;
}

/** The sum of a gauge of the chosen services. */
export function total(gauge: string, by: readonly string[] = [], labels = ''): string {
  return `sum${grouping(by)} (${chosen(gauge, labels)})`;
}

/** The largest value of a gauge, for what several replicas know alike. */
export function largest(gauge: string, by: readonly string[] = [], labels = ''): string {
  return `max${grouping(by)} (${chosen(gauge, labels)})`;
}

function chosen(metric: string, labels: string): string {
  return `${metric}{job=~"$job"${labels === '' ? '' : `,${labels}`}}`;
}

function grouping(by: readonly string[]): string {
  return by.length === 0 ? '' : ` by (${by.join(', ')})`;
}
