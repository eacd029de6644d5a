const UNITS = { seconds: 'seconds', bytes: 'bytes', total: 'count', ratio: 'ratio' };
const INTRO = `# Metrics
Written by \`node tools/metrics/main.mjs\` from the registries of all services; \`make check\` refuses a page that lags. Every
service and training job answers \`/metrics\` on its metrics port. Names have the prefix \`medformer_\` but for the \`grpc_server_\`
names that every gRPC dashboard knows; units are base units; a label's values come from a closed set, or from the bounded one
that its row names. No label is a run, a user, a file or a patient. Counters of outcomes start at 0, so that a rate sees the
first. [runbooks.md](runbooks.md) has the alerts.

Counts of a service's compute processes are told by them about every second: a process in a long kernel shows what it said
before. Gauges of what stands in the store (\`medformer_dataset_*\`) are the same in every replica of ingestion: take the
maximum, not the sum. GPUs are the DCGM exporter's: \`medformer:gpu_utilisation:ratio\` and \`medformer:gpu_memory_used:bytes\`
join its series to pods by namespace and pod, in both spellings of its labels.
`;

/**
 * The inventory as Markdown, one table a stage.
 * @param {readonly { name: string, help: string, type?: string, labelNames?: string[] }[]} all prom-client's metrics
 * @param {(metric: string, label: string) => readonly string[] | string | undefined} valuesOf
 */
export function metricsPage(all, valuesOf) {
  const sections = groupedBy(
    [...all].sort((x, y) => (x.name < y.name ? -1 : 1)),
    ({ name }) => sectionOf(name),
  );
  const tables = [...sections]
    .sort(([x], [y]) => (x < y ? -1 : 1))
    .map(([section, metrics]) => {
      const rows = metrics.map((metric) => `| ${rowOf(metric, valuesOf).join(' | ')} |`);
      return `## ${section}\n| name | type | unit | labels | meaning |\n|---|---|---|---|---|\n${rows.join('\n')}\n`;
    });
  return [INTRO, ...tables].join('\n');
}

function rowOf(metric, valuesOf) {
  const { name, help, labelNames = [] } = metric;
  const labels = labelNames
    .filter((label) => label !== 'le' && label !== 'quantile')
    .map((label) => {
      const values = valuesOf(name, label);
      if (values === undefined)
        throw new Error(`${name}: label ${label} has no closed set in libs/telemetry/src/label-values.ts`);
      return `\`${label}\`: ${typeof values === 'string' ? values : values.join(', ')}`;
    });
  return [`\`${name}\``, metric.constructor.name.toLowerCase(), unitOf(name), labels.join('; ') || '', help];
}

/** By the last word that is a unit; \`_total\` only where none stands before it. */
function unitOf(name) {
  const words = name.split('_').reverse();
  const unit =
    words.find((word) => word === 'seconds' || word === 'bytes') ?? words.find((word) => word in UNITS);
  return UNITS[unit] ?? '';
}

function sectionOf(name) {
  if (name.startsWith('grpc_')) return 'calls';
  const [, word] = name.split('_');
  return ['nodejs', 'process', 'build'].includes(word) ? 'process' : word;
}

function groupedBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
