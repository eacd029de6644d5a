import { status } from '@grpc/grpc-js';
import type { ErrorCode } from '@medformer/schema';

export const EXIT_OK = 0;
/** A fault of this machine, e.g. a TensorFlow backend that does not load. */
export const EXIT_LOCAL_FAILURE = 1;
export const EXIT_USAGE = 2;
/** 128 + SIGINT, as shells report it. */
export const EXIT_INTERRUPTED = 130;

const FIRST_STATUS = 10;

/** 10 + the gRPC status number; a cancelled call counts as an interrupt. */
export function exitCodeOf(code: ErrorCode): number {
  return code === 'CANCELLED' ? EXIT_INTERRUPTED : FIRST_STATUS + status[code];
}

export const EXIT_CODE_HELP = `
Exit codes:
  0 done · 1 fault of this machine · 2 wrong usage · 130 interrupted
  10 + gRPC status otherwise, e.g. 13 INVALID_ARGUMENT (bad input), 14 DEADLINE_EXCEEDED,
  15 NOT_FOUND, 18 RESOURCE_EXHAUSTED, 19 FAILED_PRECONDITION, 23 INTERNAL, 24 UNAVAILABLE`;
