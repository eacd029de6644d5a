export type { AdamState } from './adam-moments.js';
export { adamw } from './adamw.js';
export { clipNorm } from './clip-norm.js';
export { emaDecayAt } from './ema-decay.js';
export { batchFactor, learningRateAt, runRateAt } from './learning-rate.js';
export { isNamed, unusedPatterns } from './name-patterns.js';
export { type Optimiser, type OptimiserState, optimiserOf, type UpdateInput } from './optimiser.js';
export { ParameterLayout } from './parameter-layout.js';
