import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type ObjectStoreConfig, STORE_ENCRYPTIONS } from '@medformer/object-store';
import { LOG_LEVELS } from '@medformer/telemetry';
import { z } from 'zod';
import { secret } from './config-source.js';
import { checkSecurity, securityShape } from './security/security-config.js';
import { tracingShape } from './tracing/call-tracer.js';

const port = z.int().min(0).max(65_535);

/** Where artefacts stand, by whom and how they are reached there. */
export const storeShape = {
  data: z.string().min(1).default('.medformer').describe('folder for local state'),
  store: z
    .string()
    .optional()
    .describe('object store: file:///folder or s3://bucket?endpoint=http://host:9000; default: DATA/store'),
  storeAccessKey: secret(z.string().optional().describe('S3 access key')),
  storeSecretKey: secret(z.string().optional().describe('S3 secret key')),
  storeCredentialsFolder: z
    .string()
    .optional()
    .describe('instead: folder with the files accessKey and secretKey, read again when they change'),
  storeWebIdentityTokenFile: z
    .string()
    .optional()
    .describe('instead: file with an identity token that a token service (STS) exchanges for S3 keys'),
  storeRoleArn: z.string().optional().describe('role to ask the token service for'),
  storeStsEndpoint: z.url().optional().describe("token service; default: the store's endpoint"),
  storeCaFile: z
    .string()
    .optional()
    .describe("PEM: the only authorities of the store's certificate; default: the public ones"),
  storeClientCertFile: z.string().optional().describe('PEM: certificate to show to the store'),
  storeClientKeyFile: z.string().optional().describe('PEM: its key'),
  storeEncryption: z
    .enum(STORE_ENCRYPTIONS)
    .optional()
    .describe("server-side encryption to ask for with each PUT; default: the bucket's own"),
  storeKmsKey: z.string().optional().describe("with aws:kms: id of the key; default: the server's"),
};

/** What every service is configured by; a stage adds its own keys. Each key is also a variable and a flag. */
const shape = {
  ...storeShape,
  host: z.string().min(1).default('127.0.0.1').describe('address to listen on'),
  port: port.default(50050).describe('gRPC port; 0 takes a free one'),
  metricsPort: port.default(9464).describe('HTTP port of /metrics, /healthz and /readyz'),
  probePort: port.optional().describe('gRPC port that serves health alone; default: none'),
  logLevel: z.enum(LOG_LEVELS).default('info').describe('least severe level that is logged'),
  maxMessageBytes: z
    .int()
    .positive()
    .default(16 * 1024 * 1024)
    .describe('largest gRPC message, either way'),
  maxConnectionAgeMs: z
    .int()
    .positive()
    .default(30 * 60_000)
    .describe('age at which clients are asked to reconnect'),
  maxConnectionIdleMs: z
    .int()
    .positive()
    .default(10 * 60_000)
    .describe('how long a connection may stay without a call before its client is asked to reconnect'),
  maxStreamsPerConnection: z
    .int()
    .positive()
    .default(1000)
    .describe('calls of one connection that may be under way; a client waits with more'),
  keepaliveTimeMs: z
    .int()
    .positive()
    .default(30_000)
    .describe('silence after which a client is asked whether it is there'),
  keepaliveTimeoutMs: z
    .int()
    .positive()
    .default(10_000)
    .describe('how long a client may take to say so before its connection counts as lost'),
  drainTimeoutMs: z
    .int()
    .nonnegative()
    .default(20_000)
    .describe('how long calls under way may finish on shutdown'),
  ...securityShape,
  ...tracingShape,
};

/** BaseConfig with more settings beside it; what contradicts itself is refused. */
export function configOf<Shape extends z.ZodRawShape>(more: Shape) {
  return z
    .object({ ...shape, ...more })
    .superRefine((config, context) => checkSecurity(config as never, context));
}

export const baseConfig = configOf({});

export type BaseConfig = z.output<typeof baseConfig>;

/** The object store's URL: as configured, or a folder under `data`. */
function storeUrl(config: Pick<BaseConfig, 'data' | 'store'>): string {
  return config.store ?? pathToFileURL(resolve(config.data, 'store')).href;
}

/** What opens the same object store in another process, e.g. a compute process. */
export function objectStoreConfig(config: z.output<z.ZodObject<typeof storeShape>>): ObjectStoreConfig {
  return {
    url: storeUrl(config),
    accessKey: config.storeAccessKey,
    secretKey: config.storeSecretKey,
    credentialsFolder: config.storeCredentialsFolder,
    webIdentityTokenFile: config.storeWebIdentityTokenFile,
    roleArn: config.storeRoleArn,
    stsEndpoint: config.storeStsEndpoint,
    caFile: config.storeCaFile,
    clientCertFile: config.storeClientCertFile,
    clientKeyFile: config.storeClientKeyFile,
    encryption: config.storeEncryption,
    kmsKey: config.storeKmsKey,
  };
}
