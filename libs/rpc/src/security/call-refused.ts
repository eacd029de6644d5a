import { type ErrorCode, MedformerError } from '@medformer/schema';

/** Why a call did not reach its handler; the values of a metric's label. */
export const REFUSALS = [
  'missing_credentials',
  'invalid_credentials',
  'keys_unavailable',
  'missing_scope',
  'rate',
  'concurrency',
] as const;
export type Refusal = (typeof REFUSALS)[number];

/** A call that is answered before its handler begins. Its message tells the caller nothing of other callers. */
export class CallRefused extends MedformerError {
  readonly retryAfterMs: number | undefined;

  constructor(
    readonly reason: Refusal,
    code: ErrorCode,
    message: string,
    { retryAfterMs, ...options }: { cause?: unknown; retryAfterMs?: number } = {},
  ) {
    super(code, message, options);
    this.retryAfterMs = retryAfterMs;
  }
}
