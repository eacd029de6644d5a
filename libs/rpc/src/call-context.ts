/** What a handler knows of its call beside the request. */
export interface CallContext {
  /**
   * Fires when the caller cancels or goes away, the deadline passes, or the server stops and cannot wait longer; its
   * reason is a MedformerError. Hand it on: to compute calls, to the object store, to every wait.
   */
  readonly signal: AbortSignal;
  /** 32 hex digits, taken from the caller's `traceparent` or drawn here; also in every log line and in `x-trace-id`. */
  readonly traceId: string;
  /** Who calls, as the operator's file of callers, the token or the certificate says; else `anonymous`. */
  readonly caller: string;
  /** Address of the caller. */
  readonly peer: string;
  readonly deadline: Date | undefined;
}
