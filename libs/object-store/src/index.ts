export * from './blob.js';
export { openFilesystemStore } from './filesystem-store.js';
export { type CollectOptions, collectGarbage, type Garbage } from './garbage.js';
export { findIndexed, putIndexEntry, putIndexed } from './indexed-record.js';
export { newestHashes } from './newest-hashes.js';
export * from './object-store.js';
export * from './open-object-store.js';
export { openS3Store, type S3AccessOptions, type S3StoreOptions, STORE_ENCRYPTIONS } from './s3-store.js';
export {
  onStoreOperation,
  publishStoreOperation,
  type StoreOperation,
  type StoreOperationName,
  type StoreOutcome,
} from './store-operations.js';
