export { type BaseConfig, baseConfig, objectStoreConfig, storeShape } from './base-config.js';
export { byteChunks, CHUNK_BYTES } from './byte-chunks.js';
export type { CallContext } from './call-context.js';
export { loadConfig, printConfig, secret } from './config-source.js';
export { configSchemaOf, serveMain } from './main.js';
export { RpcController, type RpcHandlers, serviceNameOf } from './rpc-controller.js';
export { type RunningService, runService } from './run-service.js';
export { defineStage, LOGGER, OBJECT_STORE, type Stage } from './stage.js';
export { TRACE_ID_KEY } from './status.js';
