export { anchorAt, type Fusion, fuse, fusionAt, type Repair } from './fuse.js';
export { drawSources, type FusionPool, fusionPools } from './fusion-pools.js';
export type { FusionSource } from './fusion-source.js';
export { Generator } from './generator/generator.js';
export type { StoredGenerator } from './generator/generator-session.js';
export { type SeamMap, seamMap } from './generator/seam-map.js';
export {
  type GeneratorReport,
  type GeneratorRun,
  type GeneratorState,
  trainGenerator,
} from './generator/train-generator.js';
export { type FusionsToMeasure, measureFusions } from './quality/measure-fusions.js';
export { type SeamEnergy, seamEnergy } from './quality/seam-energy.js';
export { drawFusion, type FusionDraw, type RawFusion, rawFuse } from './raw-fuse.js';
