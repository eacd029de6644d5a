import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes, randomUUID } from 'node:crypto';

const traces = new AsyncLocalStorage<string>();

/** Everything `work` logs, also after its awaits, carries this trace id. */
export function withTraceId<Result>(traceId: string, work: () => Result): Result {
  return traces.run(traceId, work);
}

export function currentTraceId(): string | undefined {
  return traces.getStore();
}

/** 32 lower-case hex digits, as W3C Trace Context, section 3.2.2.3, wants them. */
export function newTraceId(): string {
  // Every call needs one, and node draws the bytes of 128 of these at a time.
  return randomUUID().replaceAll('-', '');
}

/** The trace id of a `traceparent` header (W3C Trace Context, section 3.2.2); undefined unless well formed and not zero. */
export function traceIdOf(traceparent: string | undefined): string | undefined {
  const id = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/.exec(traceparent ?? '')?.[1];
  return id && !/^0+$/.test(id) ? id : undefined;
}

/** A `traceparent` value that carries this trace id on to the next process. */
export function traceparentOf(traceId: string): string {
  return `00-${traceId}-${randomBytes(8).toString('hex')}-01`;
}
