export {
  type CheckpointContent,
  getCheckpointRecord,
  type LoadedCheckpoint,
  loadCheckpoint,
  loadNewestCheckpoint,
  pruneCheckpoints,
  writeCheckpoint,
} from './checkpoint-store.js';
export {
  type FailedStepContent,
  lastFailedStep,
  loadFailedStep,
  pruneFailedSteps,
  putFailedStep,
} from './failed-steps.js';
export {
  type GeneratorContent,
  type GeneratorPointer,
  type GeneratorRunId,
  generatorRunId,
  listGenerators,
  loadGenerator,
  loadNewestGenerator,
  writeGenerator,
} from './generator-store.js';
export { isReferred, refer, referFor, release } from './references.js';
export {
  type CheckpointPointer,
  getLoadReport,
  getRunSpec,
  listCheckpoints,
  listRuns,
  putLoadReport,
  putRunSpec,
} from './run-store.js';
