export type { ComputeCalls, ProgressOf } from './calls.js';
export { type ComputeProcess, type ComputeProcessOptions, startComputeProcess } from './compute-process.js';
export {
  type ComputeState,
  computeLosses,
  computeStates,
  LOSS_CAUSES,
  type LossCause,
} from './compute-states.js';
export { progressEvents } from './progress-events.js';
export { type CallContext, type ComputeHandlers, serveCompute } from './serve-compute.js';
export type { TensorMemory, Vitals } from './vitals.js';
