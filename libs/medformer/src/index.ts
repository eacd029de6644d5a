export type { TaskHead } from '@medformer/schema';
export { type Attended, attend, attentionRollout } from './attention-maps.js';
export { inflated } from './inflate.js';
export type { ModelInput } from './input-adaptformer.js';
export { type CodeKeys, codeRows, oneHotRows, SHARED_CODE } from './latent-codes.js';
export { latentPlaces } from './latent-places.js';
export { attention, dense, gelu, layerNorm, mlp } from './layers.js';
export {
  type CodeNames,
  type CodeRows,
  headOf,
  headsOf,
  INPUT_STATISTICS,
  type InputStatistics,
  Medformer,
  probabilitiesOf,
} from './model.js';
export { classLogProbabilities } from './ordinal-logits.js';
export { type Initialiser, PARTS, type ParameterStart, Parameters, type Part } from './parameters.js';
export { patchGrid } from './patch-embed.js';
export { cutPatches, type SequenceReading } from './patch-sequence.js';
export { fourierPositionCodes } from './position-codes.js';
export { type CodedForward, RecordedForward } from './recorded-forward.js';
export { resampled } from './resample.js';
export { type Forward, type PixelGroup, type RunOptions, runModel } from './run-model.js';
export { loadReport, type Transfer, transferredWeights } from './transferred-weights.js';
