import { createHash } from 'node:crypto';
import { MedformerError } from '@medformer/schema';
import type { Logger } from '@medformer/telemetry';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import { CallRefused } from './call-refused.js';
import { WatchedFiles } from './watched-files.js';

/** Signatures by keys that are public; a shared secret or `none` is never one of them. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
/** What jose throws when the issuer does not answer, or not with 200. */
const UNREACHABLE = ['ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC'];
const CLOCK_TOLERANCE_S = 30;
/** How long a token that held is not checked again: a signature costs as much as the rest of a small call. */
const KEPT_MS = 60_000;
const KEPT_TOKENS = 1000;

export interface TokenClaims {
  subject: string;
  /** Of `scope` (RFC 8693, section 4.2) or `scp`. */
  scopes: readonly string[];
}

/** Checks JSON Web Tokens (RFC 7519): signature, issuer, audience, times. */
export class JsonWebTokens {
  /** By SHA-256; gone when the keys change. */
  private readonly kept = new Map<string, { claims: TokenClaims; untilMs: number; keys: JWTVerifyGetKey }>();

  private constructor(
    private readonly keys: () => JWTVerifyGetKey,
    private readonly expected: { issuer: string; audience: string },
    readonly close: () => void,
  ) {}

  static async open(
    source: { file: string } | { url: string },
    expected: { issuer: string; audience: string },
    options: { intervalMs: number; logger: Logger },
  ): Promise<JsonWebTokens> {
    if ('url' in source) {
      // Fetched at the first token, kept for ten minutes, fetched again for an unknown key.
      const keys = createRemoteJWKSet(new URL(source.url));
      return new JsonWebTokens(
        () => keys,
        expected,
        () => undefined,
      );
    }
    const watched = await WatchedFiles.open(
      [source.file],
      ([bytes]) => keySetOf(source.file, bytes!),
      options,
    );
    return new JsonWebTokens(
      () => watched.value,
      expected,
      () => watched.close(),
    );
  }

  /** @throws CallRefused UNAUTHENTICATED for a token that does not hold; UNAVAILABLE while the keys cannot be had. */
  async verify(token: string): Promise<TokenClaims> {
    const keys = this.keys();
    const digest = createHash('sha256').update(token).digest('base64');
    const kept = this.kept.get(digest);
    if (kept && kept.keys === keys && Date.now() < kept.untilMs) return kept.claims;
    try {
      const { payload } = await jwtVerify(token, keys, {
        ...this.expected,
        algorithms: ALGORITHMS,
        clockTolerance: CLOCK_TOLERANCE_S,
        requiredClaims: ['exp', 'sub'],
      });
      const claims = { subject: payload.sub!, scopes: scopesOf(payload.scope ?? payload.scp) };
      if (this.kept.size >= KEPT_TOKENS) this.kept.clear();
      this.kept.set(digest, { claims, keys, untilMs: Math.min(Date.now() + KEPT_MS, payload.exp! * 1000) });
      return claims;
    } catch (cause) {
      const unreachable = !(cause instanceof errors.JOSEError) || UNREACHABLE.includes(cause.code);
      throw unreachable
        ? new CallRefused(
            'keys_unavailable',
            'UNAVAILABLE',
            'the keys of the token issuer cannot be had now',
            { cause },
          )
        : new CallRefused('invalid_credentials', 'UNAUTHENTICATED', 'the token is not valid', { cause });
    }
  }
}

function keySetOf(file: string, bytes: Buffer): JWTVerifyGetKey {
  try {
    return createLocalJWKSet(JSON.parse(bytes.toString('utf8')) as JSONWebKeySet);
  } catch (cause) {
    throw new MedformerError('INVALID_ARGUMENT', `${file}: expected a JWK Set`, { cause });
  }
}

function scopesOf(claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(' ');
  return Array.isArray(claim) ? claim.filter((each) => typeof each === 'string') : [];
}
