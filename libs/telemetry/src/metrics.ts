import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { codeVersion } from './code-version.js';
import { startComputeMetrics } from './compute-metrics.js';
import { startStoreMetrics } from './store-metrics.js';

export { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/**
 * The one registry of this process. Metrics are made with `registers: [metrics]`, carry the prefix `medformer_` (but for the
 * `grpc_server_` names every gRPC dashboard knows), base units, and labels from closed lists: never a run, a user or a file.
 */
export const metrics = new Registry();

let started = false;

/** Process, event-loop, garbage-collection, compute-process and store metrics and `medformer_build_info`, once. */
export function startProcessMetrics(): void {
  if (started) return;
  started = true;
  collectDefaultMetrics({ register: metrics, prefix: 'medformer_' });
  startComputeMetrics(metrics);
  startStoreMetrics(metrics);
  new Gauge({
    name: 'medformer_build_info',
    help: 'Always 1; the labels say what runs.',
    labelNames: ['code_version', 'node_version'],
    registers: [metrics],
  }).set({ code_version: codeVersion(), node_version: process.version }, 1);
}
