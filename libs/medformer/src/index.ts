export type { ModelInput } from './input-adaptformer.js';
export { type CodeKeys, codeRows, oneHotRows, SHARED_CODE } from './latent-codes.js';
export { dense, gelu, layerNorm } from './layers.js';
export { type CodeNames, headOf, INPUT_STATISTICS, Medformer, type TaskHead } from './model.js';
export { type Initialiser, PARTS, Parameters, type Part } from './parameters.js';
export { transferredWeights } from './transferred-weights.js';
