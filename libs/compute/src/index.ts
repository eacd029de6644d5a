export type { ComputeCalls } from './calls.js';
export { type ComputeProcess, type ComputeProcessOptions, startComputeProcess } from './compute-process.js';
export { progressEvents } from './progress-events.js';
export { type CallContext, type ComputeHandlers, serveCompute } from './serve-compute.js';
