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
export { diversity } from './quality/diversity.js';
export { frechetDistance } from './quality/frechet-distance.js';
export { histogramDistance } from './quality/histogram-distance.js';
export { type Memorisation, memorisation, type NearestScan, type RealScan } from './quality/memorisation.js';
export { regionDrift, regionMeans } from './quality/region-means.js';
export { type SeamEnergy, seamEnergy } from './quality/seam-energy.js';
export { drawFusion, type FusionDraw, type RawFusion, rawFuse } from './raw-fuse.js';
