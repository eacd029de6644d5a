export {
  type CheckpointContent,
  getCheckpointRecord,
  type LoadedCheckpoint,
  loadCheckpoint,
  loadNewestCheckpoint,
  pruneCheckpoints,
  writeCheckpoint,
} from './checkpoint-store.js';
export { getEmbeddingMoments, putEmbeddingMoments } from './embedding-moments-store.js';
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
export {
  isPromoted,
  listPromotions,
  putPromotion,
  type StoredPromotion,
  wasPromoted,
} from './promotion-store.js';
export { isReferred, refer, referFor, release } from './references.js';
export { ClaimLost, claimRun, type RunClaim } from './run-claim.js';
export {
  endRunProgress,
  getRunProgress,
  pruneRunProgress,
  putRunProgress,
} from './run-progress.js';
export {
  type CheckpointPointer,
  forgetCancelled,
  getLoadReport,
  getRunSpec,
  isCancelled,
  type ListedRun,
  listCheckpoints,
  listRuns,
  markCancelled,
  putLoadReport,
  putRunSpec,
} from './run-store.js';
