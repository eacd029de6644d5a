import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { type ErrorCode, MedformerError, toMedformerError } from '@medformer/schema';
import { retryStatus, STATUS_DETAILS_KEY } from './retry-info.js';

/** The name of the metadata entry that tells a caller its trace id. */
export const TRACE_ID_KEY = 'x-trace-id';

/**
 * The one place where errors become gRPC status. Codes have the same names on both sides. A MedformerError's
 * message is for the caller; any other error's text stays here, and the caller gets the trace id to ask with. An error with
 * a number `retryAfterMs` tells the caller when to try again.
 */
export function statusOf(thrown: unknown, traceId: string): StatusObject {
  const error = toMedformerError(thrown);
  const hidden =
    error.code === 'INTERNAL' && !(thrown instanceof MedformerError && thrown.cause === undefined);
  const code = status[error.code];
  // grpc-js escapes the text, which throws for half a surrogate pair.
  const details = (hidden ? `internal error (trace ${traceId})` : error.message).replace(
    /\p{Surrogate}/gu,
    '\uFFFD',
  );
  const metadata = traceMetadata(traceId);
  const { retryAfterMs } = error as { retryAfterMs?: unknown };
  if (typeof retryAfterMs === 'number')
    metadata.set(STATUS_DETAILS_KEY, retryStatus(code, details, retryAfterMs));
  return { code, details, metadata };
}

export function traceMetadata(traceId: string): Metadata {
  const metadata = new Metadata();
  metadata.set(TRACE_ID_KEY, traceId);
  return metadata;
}

/** A failure of this side, as against one that the caller caused or asked for. */
export function isFault(code: ErrorCode): boolean {
  return code === 'INTERNAL' || code === 'UNKNOWN' || code === 'DATA_LOSS' || code === 'UNAVAILABLE';
}
