import { onStoreOperation } from '@medformer/object-store';
import { Histogram, type Registry } from 'prom-client';

/** Times every operation of every object store of this process and of its compute processes. */
export function startStoreMetrics(registry: Registry): void {
  const seconds = new Histogram({
    name: 'medformer_store_operation_seconds',
    help: 'Time of object store operations, in this process and its compute processes.',
    labelNames: ['operation', 'outcome'],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [registry],
  });
  onStoreOperation(({ operation, outcome, seconds: took }) => seconds.observe({ operation, outcome }, took));
}
