/** Writes docs/metrics.md from the registries of all services; with --check it only compares. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import '../../services/standalone/dist/index.js';
import { labelValues, metrics, startProcessMetrics } from '../../libs/telemetry/dist/index.js';
import { metricsPage } from './metrics-page.mjs';

const FILE = fileURLToPath(new URL('../../docs/metrics.md', import.meta.url));

startProcessMetrics();
const page = metricsPage(metrics.getMetricsAsArray(), labelValues);
if (process.argv.includes('--check')) {
  if (readFileSync(FILE, 'utf8') !== page) {
    process.stderr.write(
      'docs/metrics.md does not say what the services export: run node tools/metrics/main.mjs\n',
    );
    process.exit(1);
  }
} else writeFileSync(FILE, page);
process.exit(0);
