export { exportCheckpoint } from './export-checkpoint.js';
export { ExportRequest } from './export-request.js';
export type { ExportedFile } from './files.js';
export type { SourceCheckpoint } from './lineage.js';
