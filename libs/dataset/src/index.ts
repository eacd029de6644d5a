export { findIngested, listDatasets, manifestKey, resolveDataset, type StoredDataset } from './catalogue.js';
export type { DatasetDescription, DatasetImage, Pixels } from './dataset-image.js';
export { type ImageGroup, type LoadedImages, type LoadOptions, loadImages } from './load-images.js';
export { decodeShard, type ShardImage } from './shard.js';
export { type WriteOptions, writeDataset } from './write-dataset.js';
