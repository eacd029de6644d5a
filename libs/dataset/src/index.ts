export {
  findIngested,
  listDatasets,
  manifestKey,
  removeDataset,
  resolveDataset,
  type StoredDataset,
} from './catalogue.js';
export { findDataReport, getDataReport, putDataReport, type StoredDataReport } from './data-report-store.js';
export type { DatasetDescription, DatasetImage, Pixels } from './dataset-image.js';
export * from './deidentification-store.js';
export { type DescribeOptions, describeDatasets } from './describe-datasets.js';
export { type DatasetDifference, diffDatasets } from './diff-datasets.js';
export { type DrawnImage, type DrawOptions, drawImages } from './draw-images.js';
export {
  findFusionQuality,
  getFusionQuality,
  putFusionQuality,
  type StoredFusionQuality,
} from './fusion-quality-store.js';
export { findLeakage, judgeLeakage, knownLeakage } from './leakage.js';
export { type ImageGroup, type LoadedImages, type LoadOptions, loadImages } from './load-images.js';
export { decodeShard, type ShardImage } from './shard.js';
export { readPixels, readShardIndex, type ShardIndex } from './shard-index.js';
export { subjectsOf } from './subjects.js';
export { type DatasetVerification, type VerifyOptions, verifyDataset } from './verify-dataset.js';
export { type WriteOptions, writeDataset } from './write-dataset.js';
