import { createReadStream } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { pipeline } from 'node:stream/promises';
import { MedformerError } from '@medformer/schema';

const SILENCE_MS = 30_000;

/**
 * PUTs a whole file to a presigned URL. `refused`: the bucket answered otherwise than with success, e.g. for a URL that
 * expired; `unreachable`: it did not answer.
 * @throws MedformerError CANCELLED when the signal fires.
 */
export async function putFile(
  { absolute, sizeBytes }: { absolute: string; sizeBytes: bigint },
  url: string,
  signal: AbortSignal | undefined,
): Promise<'stored' | 'refused' | 'unreachable'> {
  const { request } = url.startsWith('https:') ? https : http;
  const headers = { 'content-length': String(sizeBytes) };
  const sending = request(url, {
    method: 'PUT',
    headers,
    timeout: SILENCE_MS,
    ...(signal ? { signal } : {}),
  });
  sending.on('timeout', () => sending.destroy(new Error('no answer')));
  const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
    sending.on('response', resolve).on('error', reject);
  });
  try {
    // A bucket that refuses may answer before it has read everything, and hang up.
    pipeline(createReadStream(absolute), sending).catch((error) => sending.destroy(error));
    const answer = await answered;
    for await (const _ of answer);
    return answer.statusCode === 200 ? 'stored' : 'refused';
  } catch {
    if (signal?.aborted) throw new MedformerError('CANCELLED', 'cancelled by the caller');
    return 'unreachable';
  }
}
