import { readFileSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { createSecureContext, type SecureContext } from 'node:tls';
import { MedformerError, sha256 } from '@medformer/schema';

/** PEM files of the connection to an S3 store; all may change. */
export interface S3TlsFiles {
  /** The only authorities whose certificates the store may show; the public ones when absent. */
  caFile?: string | undefined;
  /** What this side shows, and its key. */
  clientCertFile?: string | undefined;
  clientKeyFile?: string | undefined;
}

const POOL = { keepAlive: true, maxSockets: 32 };

/**
 * The connections to an `http:` or `https:` endpoint.
 * @throws MedformerError INVALID_ARGUMENT for TLS files that cannot be read, are no PEM, or stand beside `http:`.
 */
export function s3Agent(protocol: string, files: S3TlsFiles): http.Agent {
  const named = [files.caFile, files.clientCertFile, files.clientKeyFile].filter(Boolean);
  if (protocol !== 'https:') {
    if (named.length === 0) return new http.Agent(POOL);
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `object store: ${named.join(', ')} need an endpoint with https:`,
    );
  }
  if (named.length === 0) return new https.Agent(POOL);
  if (Boolean(files.clientCertFile) !== Boolean(files.clientKeyFile)) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      'object store: a client certificate and its key go together',
    );
  }
  return new FilesAgent(files);
}

// Documented (https://nodejs.org/api/http.html#agentcreateconnectionoptions-callback), but not in the types of Node 20.
type CreateConnection = (this: https.Agent, options: object, callback: unknown) => unknown;
const { createConnection } = https.Agent.prototype as unknown as { createConnection: CreateConnection };

/** Each new connection gets what the files say then; while they cannot be read, what they said last. */
class FilesAgent extends https.Agent {
  /** Of the files that `context` was made of; not themselves, for whoever prints an agent. */
  private digest = '';
  private context: SecureContext;

  constructor(private readonly files: S3TlsFiles) {
    // A resumed TLS session would go on with the certificate before the change.
    super({ ...POOL, maxCachedSessions: 0 });
    this.context = this.read();
  }

  createConnection(options: object, callback: unknown): unknown {
    try {
      this.context = this.read();
    } catch {
      // Mid-rotation.
    }
    return createConnection.call(this, { ...options, secureContext: this.context }, callback);
  }

  private read(): SecureContext {
    const { caFile, clientCertFile, clientKeyFile } = this.files;
    const [ca, cert, key] = [caFile, clientCertFile, clientKeyFile].map((path) => path && readPem(path));
    const digest = sha256([ca, cert, key].join('\n'));
    if (digest === this.digest) return this.context;
    let context: SecureContext;
    try {
      context = createSecureContext({
        minVersion: 'TLSv1.2',
        ...(ca ? { ca } : {}),
        ...(cert && key ? { cert, key } : {}),
      });
    } catch (cause) {
      const names = [caFile, clientCertFile, clientKeyFile].filter(Boolean).join(', ');
      throw new MedformerError('INVALID_ARGUMENT', `${names}: not a certificate with its key in PEM`, {
        cause,
      });
    }
    this.digest = digest;
    return context;
  }
}

function readPem(path: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new MedformerError('INVALID_ARGUMENT', `${path}: cannot be read (${code})`, { cause });
  }
  // OpenSSL takes a file without any certificate for an empty list, and then trusts the public authorities.
  if (bytes.includes('-----BEGIN ')) return bytes;
  throw new MedformerError('INVALID_ARGUMENT', `${path}: expected PEM`);
}
