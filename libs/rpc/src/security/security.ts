import { ServerCredentials } from '@grpc/grpc-js';
import type { Logger } from '@medformer/telemetry';
import { AuditLog } from './audit-log.js';
import { Authenticator } from './authenticator.js';
import { CallerLimits } from './caller-limits.js';
import { Callers } from './callers-file.js';
import { Guard } from './guard.js';
import { JsonWebTokens } from './json-web-tokens.js';
import type { SecurityConfig } from './security-config.js';
import { TlsCredentials } from './tls-credentials.js';
import { WatchedFiles } from './watched-files.js';

/** Everything that stands between the network and the handlers, as the settings want it. */
export interface Security {
  credentials: ServerCredentials;
  guard: Guard;
  /** Where callers are known or a file is named. */
  audit: AuditLog | undefined;
  close(): Promise<void>;
}

/** @throws MedformerError INVALID_ARGUMENT that names a file which cannot be read or is not what it should be. */
export async function openSecurity(name: string, config: SecurityConfig, logger: Logger): Promise<Security> {
  const opened: { close(): void | Promise<void> }[] = [];
  const close = async () => {
    for (const each of opened.splice(0).reverse()) await each.close();
  };
  const keep = <Opened extends { close(): void | Promise<void> }>(each: Opened): Opened => {
    opened.push(each);
    return each;
  };
  const watching = { intervalMs: config.reloadIntervalMs, logger };
  try {
    const credentials =
      config.tlsCertFile && config.tlsKeyFile
        ? keep(
            await TlsCredentials.open(
              {
                certFile: config.tlsCertFile,
                keyFile: config.tlsKeyFile,
                clientCaFile: config.tlsClientCaFile,
              },
              watching,
            ),
          )
        : ServerCredentials.createInsecure();
    const callersFile = config.authTokensFile;
    const callers = callersFile
      ? keep(
          await WatchedFiles.open([callersFile], ([bytes]) => Callers.parse(callersFile, bytes!), watching),
        )
      : undefined;
    const keys = config.authJwksFile
      ? { file: config.authJwksFile }
      : config.authJwksUrl && { url: config.authJwksUrl };
    const tokens = keys
      ? keep(
          await JsonWebTokens.open(
            keys,
            { issuer: config.authIssuer!, audience: config.authAudience! },
            watching,
          ),
        )
      : undefined;
    const authenticator = new Authenticator(callers, tokens);
    const audited = authenticator.required || config.auditFile !== undefined;
    const audit = audited ? keep(AuditLog.open(name, config.auditFile, logger)) : undefined;
    const limits = new CallerLimits({
      callsPerSecond: config.callerCallsPerSecond,
      burstCalls: config.callerBurstCalls,
      concurrentCalls: config.callerConcurrentCalls,
    });
    return { credentials, guard: new Guard(authenticator, limits, audit, logger), audit, close };
  } catch (error) {
    await close();
    throw error;
  }
}
