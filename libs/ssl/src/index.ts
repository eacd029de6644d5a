export { type HostBatch, makeBatches } from './batch.js';
export { BatchPlan } from './batch-plan.js';
export { embedImages } from './embed-images.js';
export { batchesOf, batchTensors } from './health/batch-tensors.js';
export type { ExaminedStep } from './health/examine-step.js';
export { replayStep, type StepToReplay } from './health/replay-step.js';
export { features, METHODS, methodOf } from './methods/registry.js';
export { takeImages } from './modality-groups.js';
export type { MonitoredImages } from './online-evaluation.js';
export {
  type FailedStepState,
  type RunState,
  type StepReport,
  type TrainRun,
  trainRun,
} from './train-run.js';
export type { InitialWeights } from './train-session.js';
export type { TrainingGroup } from './training-group.js';
