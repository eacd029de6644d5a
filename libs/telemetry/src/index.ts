export { codeVersion, dataReportVersion } from './code-version.js';
export { failureOutcome } from './failure-outcome.js';
export { labelValues } from './label-values.js';
export * from './logger.js';
export * from './metrics.js';
export { type OperationsServer, startOperationsServer } from './operations-server.js';
export * from './trace.js';
