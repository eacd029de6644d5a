export { type Fusion, fuse, fusionAt, type Repair } from './fuse.js';
export { drawSources, type FusionPool, fusionPools } from './fusion-pools.js';
export type { FusionSource } from './fusion-source.js';
export { drawFusion, type FusionDraw, type RawFusion, rawFuse } from './raw-fuse.js';
