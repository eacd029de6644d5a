import { monitorEventLoopDelay } from 'node:perf_hooks';
import { onStoreOperation, type StoreOperation } from '@medformer/object-store';
import type { ToParent } from './messages.js';

/** What TensorFlow holds for a process now. */
export interface TensorMemory {
  tensors: number;
  bytes: number;
}

/** How a compute process does, as it told last. */
export interface Vitals extends TensorMemory {
  /** Physical memory, in bytes. */
  residentBytes: number;
  /** JavaScript's own, in bytes. */
  heapBytes: number;
  /**
   * Longest wait of the event loop since the vitals before, in seconds. It covers kernels, which run on the loop's
   * thread: a training step shows up here, a stuck process does not, for it tells nothing.
   */
  eventLoopDelaySeconds: number;
}

const PERIOD_MS = 1000;
/** Store operations told at once; of a process that does more between two awaits, the first ones. */
const MOST_OPERATIONS = 2000;
const RESOLUTION_MS = 20;

/** Tells the parent how this process does, about every second that its thread is free. */
export function reportVitals(answer: (message: ToParent) => void, tensors?: () => TensorMemory): void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let storeOperations: StoreOperation[] = [];
  onStoreOperation((operation) => {
    if (storeOperations.length < MOST_OPERATIONS) storeOperations.push(operation);
  });
  const report = () => {
    const { rss, heapUsed } = process.memoryUsage();
    const held = tensors?.() ?? { tensors: 0, bytes: 0 };
    const eventLoopDelaySeconds = Math.max(0, delay.max / 1e9 - RESOLUTION_MS / 1000);
    delay.reset();
    const vitals = { ...held, residentBytes: rss, heapBytes: heapUsed, eventLoopDelaySeconds };
    answer({ type: 'vitals', vitals, storeOperations });
    storeOperations = [];
  };
  report();
  setInterval(report, PERIOD_MS).unref();
}
