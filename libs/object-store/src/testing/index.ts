export { freePort } from './free-port.js';
export { type IdentityProvider, startIdentityProvider } from './identity-provider.js';
export * from './minio-server.js';
export { type S3Server, startS3Server } from './s3-server.js';
export * from './versity-server.js';
