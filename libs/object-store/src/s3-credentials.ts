import { readFile } from 'node:fs/promises';
import type { Agent } from 'node:http';
import { join } from 'node:path';
import { MedformerError } from '@medformer/schema';
import { assumeRoleWithWebIdentity } from './web-identity.js';

/** Where the keys of an S3 store come from: exactly one of its first three members is set. */
export interface S3CredentialsConfig {
  accessKey?: string | undefined;
  secretKey?: string | undefined;
  /** Folder with the files `accessKey`, `secretKey` and perhaps `sessionToken`, as Kubernetes mounts a Secret; they may change. */
  credentialsFolder?: string | undefined;
  /** File with an identity token (a projected service-account token), which a token service exchanges for keys; it may change. */
  webIdentityTokenFile?: string | undefined;
  /** With a token: the role to take. Left out where the token service knows it by the token (MinIO's policy claim). */
  roleArn?: string | undefined;
  /** With a token: the token service. The store's own endpoint when absent, as MinIO has it. */
  stsEndpoint?: string | undefined;
}

export interface S3Session {
  accessKey: string;
  secretKey: string;
  sessionToken?: string | undefined;
  /** When the keys end by themselves. */
  expiresAt?: Date | undefined;
}

const FILES_MS = 10_000;
const RENEW_BEFORE_MS = 5 * 60_000;

/** @throws MedformerError INVALID_ARGUMENT unless exactly one source is named. */
export function s3Credentials(config: S3CredentialsConfig, endpoint: string, agent: Agent): S3Credentials {
  const { accessKey, secretKey, credentialsFolder, webIdentityTokenFile, roleArn, stsEndpoint } = config;
  const named = [accessKey ?? secretKey, credentialsFolder, webIdentityTokenFile].filter(Boolean).length;
  if (named !== 1 || Boolean(accessKey) !== Boolean(secretKey)) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      'object store: expected an access key and a secret key, or a folder of credentials, or a web identity token file, ' +
        `found ${named === 0 ? 'none' : named === 1 ? 'one key without the other' : 'several'}`,
    );
  }
  if (accessKey && secretKey) return new S3Credentials(async () => ({ accessKey, secretKey }), Infinity);
  if (credentialsFolder) return new S3Credentials(() => readFolder(credentialsFolder), FILES_MS);
  const service = stsEndpoint ?? endpoint;
  const identity = {
    endpoint: service,
    tokenFile: webIdentityTokenFile!,
    roleArn,
    // An agent of TLS refuses `http:`, and the other way round.
    agent: new URL(service).protocol === new URL(endpoint).protocol ? agent : undefined,
  };
  return new S3Credentials(() => assumeRoleWithWebIdentity(identity), Infinity);
}

/**
 * Keys that are asked for again when they are `keepMs` old, or within the last five minutes (or last fifth) of their life. While
 * asking fails, those at hand go on until their end: files of one rotation do not change at once, and a token service may be down.
 */
export class S3Credentials {
  private session: S3Session | undefined;
  private takenMs = 0;
  private asking: Promise<S3Session> | undefined;

  constructor(
    private readonly ask: () => Promise<S3Session>,
    private readonly keepMs: number,
  ) {}

  /** @throws MedformerError of the source, when no keys are at hand. */
  async get(): Promise<S3Session> {
    const { session } = this;
    if (session && !this.isDue(session)) return session;
    try {
      return await this.renew();
    } catch (thrown) {
      if (session && (session.expiresAt?.getTime() ?? Infinity) > Date.now()) return session;
      throw thrown;
    }
  }

  /** After the server refused keys: asks anew, and tells whether there are others now. */
  async haveChanged(): Promise<boolean> {
    const before = this.session;
    // What was asked for a moment ago would be the same; a refused operation must not become a load on a token service.
    if (Date.now() - this.takenMs < 1000) return false;
    const now = await this.renew().catch(() => before);
    return now?.accessKey !== before?.accessKey || now?.secretKey !== before?.secretKey;
  }

  private isDue({ expiresAt }: S3Session): boolean {
    const now = Date.now();
    if (now - this.takenMs >= this.keepMs) return true;
    if (!expiresAt) return false;
    const life = expiresAt.getTime() - this.takenMs;
    return now >= expiresAt.getTime() - Math.min(RENEW_BEFORE_MS, life / 5);
  }

  private renew(): Promise<S3Session> {
    this.asking ??= this.ask()
      .then((session) => {
        this.takenMs = Date.now();
        this.session = session;
        return session;
      })
      .finally(() => {
        this.asking = undefined;
      });
    return this.asking;
  }
}

async function readFolder(folder: string): Promise<S3Session> {
  const [accessKey, secretKey, sessionToken] = await Promise.all([
    readLine(folder, 'accessKey'),
    readLine(folder, 'secretKey'),
    readLine(folder, 'sessionToken', true),
  ]);
  return { accessKey: accessKey!, secretKey: secretKey!, sessionToken };
}

async function readLine(folder: string, name: string, optional = false): Promise<string | undefined> {
  const path = join(folder, name);
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).trim();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (optional && code === 'ENOENT') return undefined;
    throw new MedformerError('FAILED_PRECONDITION', `${path}: cannot be read (${code})`, { cause });
  }
  if (text !== '') return text;
  if (optional) return undefined;
  throw new MedformerError('FAILED_PRECONDITION', `${path}: expected a key, found an empty file`);
}
