export { detailCorrelation, detailOf } from './detail.js';
export { type DuplicatePair, findDuplicates } from './duplicates.js';
export { type Fingerprint, fingerprint } from './fingerprint.js';
export { closeHashes } from './hamming-search.js';
export { GRID_EDGE, type ImageGrid, imageGrid } from './image-grid.js';
export { leakageText, leaks } from './leakage.js';
export { perceptualHashes, shiftOf } from './perceptual-hash.js';
export { Survey, SurveyedCohort } from './survey.js';
