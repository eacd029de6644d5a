import { readFile } from 'node:fs/promises';
import * as http from 'node:http';
import * as https from 'node:https';
import { text } from 'node:stream/consumers';
import { MedformerError } from '@medformer/schema';
import type { S3Session } from './s3-credentials.js';

export interface WebIdentity {
  /** Of the token service, with a path where it has one. */
  endpoint: string;
  tokenFile: string;
  roleArn?: string | undefined;
  /** Node's own when absent. */
  agent?: http.Agent | undefined;
}

const SESSION_NAME = 'medformer';
const SESSION_SECONDS = 3600;
const TIMEOUT_MS = 20_000;

/**
 * Keys for an identity token by AWS STS's AssumeRoleWithWebIdentity (API version 2011-06-15), which MinIO answers too.
 * The token goes out in the body, and no error repeats it.
 * @throws MedformerError FAILED_PRECONDITION for a token file that cannot be read, PERMISSION_DENIED for a refused token,
 * UNAVAILABLE for a service that does not answer as it should.
 */
export async function assumeRoleWithWebIdentity(identity: WebIdentity): Promise<S3Session> {
  const { endpoint, tokenFile, roleArn, agent } = identity;
  const token = await readFile(tokenFile, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new MedformerError('FAILED_PRECONDITION', `${tokenFile}: cannot be read (${cause.code})`, {
      cause,
    });
  });
  const form = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    DurationSeconds: String(SESSION_SECONDS),
    WebIdentityToken: token.trim(),
    ...(roleArn ? { RoleArn: roleArn, RoleSessionName: SESSION_NAME } : {}),
  });
  const { status, body } = await post(new URL(endpoint), form.toString(), agent);
  if (status !== 200) {
    const code = element(body, 'Code') ?? `HTTP ${status}`;
    throw new MedformerError(
      status >= 400 && status < 500 && status !== 429 ? 'PERMISSION_DENIED' : 'UNAVAILABLE',
      `the token service refused the identity token of ${tokenFile} (${code})`,
    );
  }
  const [accessKey, secretKey, expiration] = ['AccessKeyId', 'SecretAccessKey', 'Expiration'].map((name) =>
    element(body, name),
  );
  if (!accessKey || !secretKey || !expiration || Number.isNaN(Date.parse(expiration))) {
    throw new MedformerError('UNAVAILABLE', 'the token service answered without keys');
  }
  return {
    accessKey,
    secretKey,
    sessionToken: element(body, 'SessionToken'),
    expiresAt: new Date(expiration),
  };
}

function post(
  url: URL,
  form: string,
  agent: http.Agent | undefined,
): Promise<{ status: number; body: string }> {
  const { request } = url.protocol === 'https:' ? https : http;
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) =>
      reject(new MedformerError('UNAVAILABLE', 'the token service does not answer', { cause }));
    const sent = request(
      url,
      {
        method: 'POST',
        agent,
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          'content-length': Buffer.byteLength(form),
        },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      },
      (answer) => {
        text(answer).then((body) => resolve({ status: answer.statusCode ?? 0, body }), fail);
      },
    );
    sent.on('error', fail);
    sent.end(form);
  });
}

/** The text of the first element of this name: the answer's keys are base64 and names without entities. */
function element(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]?.trim();
}
