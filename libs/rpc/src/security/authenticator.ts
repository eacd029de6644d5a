import type { PeerCertificate } from 'node:tls';
import type { Metadata } from '@grpc/grpc-js';
import { CallRefused } from './call-refused.js';
import type { CallerEntry, Callers } from './callers-file.js';
import type { JsonWebTokens } from './json-web-tokens.js';

/** Who calls, as far as this server knows. */
export interface Caller {
  /** As the operator's file names it; else `jwt:SUBJECT`, `certificate:NAME` or `anonymous`. */
  readonly name: string;
  /** What it may do; undefined where nobody is asked. */
  readonly scopes: ReadonlySet<string> | undefined;
  /** Its own limits in place of the server's. */
  readonly callsPerSecond?: number | undefined;
  readonly concurrentCalls?: number | undefined;
}

export const ANONYMOUS: Caller = { name: 'anonymous', scopes: undefined };

/** Tells callers by bearer token, JSON Web Token or client certificate. A token that fails is never passed over. */
export class Authenticator {
  /** Without `callers` and `tokens` everyone may call; certificates still give names. */
  constructor(
    private readonly callers: { readonly value: Callers } | undefined,
    private readonly tokens: JsonWebTokens | undefined,
  ) {}

  get required(): boolean {
    return this.callers !== undefined || this.tokens !== undefined;
  }

  /** @throws CallRefused UNAUTHENTICATED without credentials or with such that do not hold. */
  async identify(metadata: Metadata, certificate: PeerCertificate | undefined): Promise<Caller> {
    const presented = this.required ? metadata.get('authorization') : [];
    if (presented.length > 0) return this.byToken(presented);
    if (certificate) return this.byCertificate(certificate);
    if (!this.required) return ANONYMOUS;
    throw new CallRefused(
      'missing_credentials',
      'UNAUTHENTICATED',
      'expected a bearer token or a certificate',
    );
  }

  private async byToken(presented: readonly (string | Buffer)[]): Promise<Caller> {
    const token = presented.length === 1 ? /^bearer +(\S+)$/i.exec(presented[0]!.toString())?.[1] : undefined;
    if (token === undefined) throw notValid();
    const listed = this.callers?.value.byToken(token);
    if (listed) return callerOf(listed);
    if (!this.tokens) throw notValid();
    const { subject, scopes } = await this.tokens.verify(token);
    const entry = this.callers?.value.bySubject(subject);
    return entry ? callerOf(entry) : { name: `jwt:${subject}`, scopes: new Set(scopes) };
  }

  private byCertificate(certificate: PeerCertificate): Caller {
    const names = namesOf(certificate);
    const entry = this.callers?.value.byCertificate(names);
    if (entry) return callerOf(entry);
    return {
      name: `certificate:${names[0] ?? certificate.fingerprint256}`,
      scopes: this.required ? new Set() : undefined,
    };
  }
}

function callerOf({ name, scopes, callsPerSecond, concurrentCalls }: CallerEntry): Caller {
  return { name, scopes: new Set<string>(scopes), callsPerSecond, concurrentCalls };
}

function notValid(): CallRefused {
  return new CallRefused('invalid_credentials', 'UNAUTHENTICATED', 'the token is not valid');
}

/** URI names (SPIFFE), DNS names, then the common name. Node quotes names that try to look like several; they do not count. */
function namesOf({ subjectaltname = '', subject }: PeerCertificate): string[] {
  const parts = subjectaltname.split(', ');
  const named = (kind: string) =>
    parts
      .filter((part) => part.startsWith(kind) && !part.includes('"'))
      .map((part) => part.slice(kind.length));
  return [...named('URI:'), ...named('DNS:'), ...[subject?.CN ?? []].flat()];
}
