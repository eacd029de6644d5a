import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { MedformerError } from '@medformer/schema';
import { Gauge, type Logger, metrics } from '@medformer/telemetry';
import { WatchedFiles } from './watched-files.js';

const expiry = new Gauge({
  name: 'medformer_tls_certificate_expiry_timestamp_seconds',
  help: 'When the certificate that this server shows ends, in seconds since 1970; absent without TLS.',
  // With a label there is no value until one is set.
  labelNames: ['listener'],
  registers: [metrics],
});

export interface TlsFiles {
  certFile: string;
  keyFile: string;
  /** Callers need a certificate that one of these signed. */
  clientCaFile?: string | undefined;
}

/**
 * TLS 1.2 or 1.3 from files. New connections get what the files say at that time; those that are open go on, so that a
 * rotated certificate costs no call. grpc-js's own file watcher is not used: it stops serving while a file is missing.
 */
export class TlsCredentials extends ServerCredentials {
  private constructor(
    private readonly watched: WatchedFiles<SecureContextOptions>,
    withClients: boolean,
  ) {
    super({ requestCert: withClients, rejectUnauthorized: withClients }, watched.value);
  }

  /** @throws MedformerError INVALID_ARGUMENT for a file that cannot be read, is no PEM, or a key of another certificate. */
  static async open(
    files: TlsFiles,
    { intervalMs, logger }: { intervalMs: number; logger: Logger },
  ): Promise<TlsCredentials> {
    const paths = [files.certFile, files.keyFile, ...(files.clientCaFile ? [files.clientCaFile] : [])];
    const watched = await WatchedFiles.open(paths, (contents) => contextOf(paths, contents), {
      intervalMs,
      logger,
      onChange: (options) => credentials.updateSecureContextOptions(options),
    });
    const credentials = new TlsCredentials(watched, files.clientCaFile !== undefined);
    return credentials;
  }

  close(): void {
    this.watched.close();
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function contextOf(paths: readonly string[], [cert, key, ca]: readonly Buffer[]): SecureContextOptions {
  const options: SecureContextOptions = {
    cert: cert!,
    key: key!,
    ...(ca ? { ca } : {}),
    minVersion: 'TLSv1.2',
  };
  try {
    createSecureContext(options);
    expiry.set({ listener: 'grpc' }, Date.parse(new X509Certificate(cert!).validTo) / 1000);
    return options;
  } catch (cause) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `${paths.join(', ')}: not a certificate with its key in PEM`,
      {
        cause,
      },
    );
  }
}
