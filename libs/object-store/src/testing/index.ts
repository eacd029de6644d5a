export { freePort } from './free-port.js';
export * from './minio-server.js';
