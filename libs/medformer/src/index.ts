export type { ModelInput } from './input-adaptformer.js';
export { type CodeKeys, codeRows, oneHotRows, SHARED_CODE } from './latent-codes.js';
export { latentPlaces } from './latent-places.js';
export { attention, dense, gelu, layerNorm, mlp } from './layers.js';
export { type CodeNames, headOf, INPUT_STATISTICS, Medformer, type TaskHead } from './model.js';
export { type Initialiser, PARTS, Parameters, type Part } from './parameters.js';
export { patchGrid } from './patch-embed.js';
export { fourierPositionCodes } from './position-codes.js';
export { transferredWeights } from './transferred-weights.js';
