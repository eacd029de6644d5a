import { z } from 'zod';

const file = z.string().min(1).optional();

/** The part of every service's settings that says who may call, and over what. */
export const securityShape = {
  tlsCertFile: file.describe('certificate chain of this server, PEM; default: plain text'),
  tlsKeyFile: file.describe('private key of the certificate, PEM'),
  tlsClientCaFile: file.describe('certificates that sign those of callers, PEM; callers then need one'),
  allowInsecure: z
    .boolean()
    .default(false)
    .describe('listen in plain text on an address that other machines reach'),
  authTokensFile: file.describe(
    'callers: their tokens, JWT subjects or certificates, and scopes (YAML, JSON)',
  ),
  authJwksFile: file.describe('keys that sign JSON Web Tokens, as a JWK Set'),
  authJwksUrl: z.url().optional().describe('where the JWK Set is fetched from in place of a file'),
  authIssuer: z.string().min(1).optional().describe('`iss` of accepted JSON Web Tokens'),
  authAudience: z.string().min(1).optional().describe('`aud` of accepted JSON Web Tokens'),
  reloadIntervalMs: z
    .int()
    .positive()
    .default(10_000)
    .describe('how often files of certificates, callers and keys are looked at for changes'),
  callerCallsPerSecond: z
    .number()
    .positive()
    .optional()
    .describe('calls that one caller may begin per second; default: no limit'),
  callerBurstCalls: z.int().positive().default(100).describe('calls that one caller may begin at once'),
  callerConcurrentCalls: z
    .int()
    .positive()
    .default(1000)
    .describe('calls that one caller may have under way'),
  auditFile: file.describe('where the audit log goes; default: with the other lines, if callers are known'),
};

export type SecurityConfig = z.output<z.ZodObject<typeof securityShape>>;

/** Refuses settings that contradict each other, or that would put calls on a network in plain text unasked. */
export function checkSecurity(config: SecurityConfig & { host: string }, context: z.RefinementCtx): void {
  const refuse = (path: keyof typeof config, message: string) =>
    context.addIssue({ code: 'custom', path: [path], message });
  const withTls = config.tlsCertFile !== undefined;
  if (withTls !== (config.tlsKeyFile !== undefined)) {
    const [has, lacks] = withTls
      ? (['tlsCertFile', 'tlsKeyFile'] as const)
      : (['tlsKeyFile', 'tlsCertFile'] as const);
    refuse(lacks, `is needed with ${has}`);
  }
  if (config.tlsClientCaFile && !withTls) refuse('tlsCertFile', 'is needed with tlsClientCaFile');
  if (config.authJwksFile && config.authJwksUrl) refuse('authJwksUrl', 'excludes authJwksFile');
  if (config.authJwksFile ?? config.authJwksUrl) {
    for (const key of ['authIssuer', 'authAudience'] as const)
      if (!config[key]) refuse(key, 'is needed to check JSON Web Tokens');
  } else if (config.authIssuer ?? config.authAudience) {
    refuse('authJwksFile', 'or authJwksUrl is needed to check JSON Web Tokens');
  }
  if (config.authJwksUrl && !/^https:\/\/|^http:\/\/(localhost|127\.|\[::1\])/.test(config.authJwksUrl))
    refuse('authJwksUrl', 'expected https');
  if (!withTls && !config.allowInsecure && !isLoopback(config.host)) {
    refuse(
      'host',
      `${config.host} is reached by other machines: set tlsCertFile and tlsKeyFile, or allowInsecure to listen in plain text`,
    );
  }
}

/** Other machines reach this server, and nothing asks who they are. */
export function isOpenToAll(config: SecurityConfig & { host: string }): boolean {
  const asks = config.authTokensFile ?? config.authJwksFile ?? config.authJwksUrl ?? config.tlsClientCaFile;
  return asks === undefined && !isLoopback(config.host);
}

function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d+){3}|::1|\[::1\])$/i.test(host);
}
