import { type EventEmitter, once } from 'node:events';
import { finished } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import {
  type handleUnaryCall,
  type MethodDefinition,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type StatusObject,
  status,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { type ErrorCode, MedformerError, toMedformerError } from '@medformer/schema';
import { type Logger, newTraceId, traceIdOf, withTraceId } from '@medformer/telemetry';
import { isObservable, lastValueFrom } from 'rxjs';
import type { CallContext } from './call-context.js';
import { measureCall } from './call-metrics.js';
import { type AuditLog, resourcesOf } from './security/audit-log.js';
import type { Guard } from './security/guard.js';
import { changesState } from './security/rpc-scopes.js';
import { isFault, statusOf, traceMetadata } from './status.js';
import type { CallTracer } from './tracing/call-tracer.js';

type Method = MethodDefinition<unknown, unknown>;
type UnaryCall = ServerUnaryCall<unknown, unknown>;
type ClientStreamCall = ServerReadableStream<unknown, unknown>;
type ServerStreamCall = ServerWritableStream<unknown, unknown>;
type DuplexCall = ServerDuplexStream<unknown, unknown>;
type AnyCall = UnaryCall | ClientStreamCall | ServerStreamCall | DuplexCall;
type Respond = Parameters<handleUnaryCall<unknown, unknown>>[1];

/** As Nest gives it: the controller's method behind its guards, interceptors and filters. */
export type Handler = (request: unknown, call: CallContext) => unknown;

/** Deadline timers may fire this much before the deadline by the wall clock. */
const CLOCK_SLACK_MS = 5;
const TURNS_UNTIL_RESET = 5;

/**
 * Runs calls: gives each its context, turns streams into async iterables, errors into status, and keeps account
 * of what is under way, so that a server can wait for it or end it.
 */
export class CallRunner {
  private readonly active = new Set<ActiveCall>();

  constructor(
    private readonly logger: Logger,
    private readonly guard: Pick<Guard, 'callerOf'>,
    private readonly audit?: AuditLog | undefined,
    private readonly tracer?: CallTracer | undefined,
  ) {}

  get activeCalls(): number {
    return this.active.size;
  }

  /** Resolves when no call is under way or the time is over; true in the first case. */
  async waitUntilIdle(timeoutMs: number): Promise<boolean> {
    const end = Date.now() + timeoutMs;
    while (this.active.size > 0 && Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return this.active.size === 0;
  }

  abortAll(reason: MedformerError): void {
    for (const call of this.active) call.abort(reason);
  }

  handlerFor(method: Method, handler: Handler): UntypedHandleCall {
    if (method.responseStream)
      return (call: ServerStreamCall | DuplexCall) => this.runResponseStream(method, handler, call);
    return (call: UnaryCall | ClientStreamCall, respond: Respond) =>
      this.runUnary(method, handler, call, respond);
  }

  private async runUnary(
    method: Method,
    handler: Handler,
    call: UnaryCall | ClientStreamCall,
    respond: Respond,
  ): Promise<void> {
    await this.track(
      method,
      call,
      async (active) => {
        const { context } = active;
        const request = 'request' in call ? active.seen(call.request) : requestsOf(call, active);
        const response = active.seen(await settle(handler(request, context)));
        respond(null, response, traceMetadata(context.traceId));
      },
      (failure) => respond(failure),
    );
  }

  private async runResponseStream(
    method: Method,
    handler: Handler,
    call: ServerStreamCall | DuplexCall,
  ): Promise<void> {
    await this.track(
      method,
      call,
      async (active) => {
        const { context } = active;
        call.sendMetadata(traceMetadata(context.traceId));
        const request = 'request' in call ? active.seen(call.request) : requestsOf(call, active);
        const responses = await settle(handler(request, context));
        await writeAll(call, responses as AsyncIterable<unknown>, active);
        active.end();
        call.end(traceMetadata(context.traceId));
        // The call counts as under way until its last message is handed over, unless the peer is gone.
        await finished(call, { readable: false }).catch(() => undefined);
      },
      (failure) => call.destroyed || call.emit('error', failure),
    );
  }

  private async track(
    method: Method,
    call: AnyCall,
    work: (active: ActiveCall) => Promise<void>,
    fail: (failure: StatusObject) => unknown,
  ): Promise<void> {
    const traceparent = call.metadata.get('traceparent')[0]?.toString();
    const span = this.tracer?.startCall(method, traceparent);
    const traceId = span?.traceId ?? traceIdOf(traceparent) ?? newTraceId();
    const caller = this.guard.callerOf(call.metadata).name;
    const active = new ActiveCall(call, traceId, caller);
    const { peer, signal } = active.context;
    const measured = measureCall(method);
    this.active.add(active);
    await withTraceId(traceId, async () => {
      let code: ErrorCode | 'OK' = 'OK';
      try {
        await work(active);
      } catch (thrown) {
        // After an abort its reason is the truth; what the handler threw on the way out is its consequence.
        const failure = statusOf(signal.aborted ? signal.reason : thrown, traceId);
        code = status[failure.code] as ErrorCode;
        const log = { rpc: method.path, code, peer };
        const { logged } = toMedformerError(thrown);
        // The cause of what this side got wrong is nowhere else to be found.
        if (isFault(toMedformerError(thrown).code)) {
          this.logger.error({ ...log, ...(logged ? { reason: logged } : { err: thrown }) }, 'call failed');
        } else this.logger.info({ ...log, reason: logged ?? failure.details }, 'call refused');
        fail(failure);
      } finally {
        active.end();
        this.active.delete(active);
        measured(code);
        span?.end(code);
        if (this.audit && changesState(method.path)) {
          const resources = resourcesOf(active.first, active.last);
          this.audit.write({ caller, rpc: method.path, code, peer, traceId, resources });
        }
      }
    });
  }
}

class ActiveCall {
  readonly context: CallContext;
  /** Messages of the call, for what it was about. */
  first: unknown;
  last: unknown;
  private readonly controller = new AbortController();
  private ended = false;

  constructor(call: AnyCall, traceId: string, caller: string) {
    const deadline = call.getDeadline();
    const deadlineMs = deadline instanceof Date ? deadline.getTime() : deadline;
    this.context = {
      signal: this.controller.signal,
      traceId,
      caller,
      peer: call.getPeer(),
      deadline: Number.isFinite(deadlineMs) ? new Date(deadlineMs) : undefined,
    };
    const cancel = () => {
      // grpc-js emits `cancelled` at the end of every call, also of a good one.
      if (this.ended) return;
      const late = Date.now() >= deadlineMs - CLOCK_SLACK_MS;
      this.abort(
        late
          ? new MedformerError('DEADLINE_EXCEEDED', 'the deadline passed')
          : new MedformerError('CANCELLED', 'cancelled by the caller'),
      );
    };
    (call as EventEmitter).on('cancelled', cancel);
    if (call.cancelled) cancel();
  }

  seen<Message>(message: Message): Message {
    this.first ??= message;
    this.last = message;
    return message;
  }

  abort(reason: MedformerError): void {
    if (!this.ended) this.controller.abort(reason);
  }

  end(): void {
    this.ended = true;
  }
}

/** Filters and interceptors answer with an Observable, bare handlers with a value or a promise. */
async function settle(answer: unknown): Promise<unknown> {
  const value = await answer;
  return isObservable(value) ? lastValueFrom(value) : value;
}

/**
 * Reads the next message only when the handler asks for one. Not the stream's own iterator: that destroys the stream
 * when the handler leaves its loop or the call fails, and with it, where both sides stream, the way to the caller.
 */
async function* requestsOf(call: ClientStreamCall | DuplexCall, active: ActiveCall): AsyncIterable<unknown> {
  const { signal } = active.context;
  let wake = () => {};
  const notify = () => wake();
  for (const event of ['readable', 'end', 'close']) (call as EventEmitter).on(event, notify);
  // A server that stops must also end a handler that waits for the next message.
  signal.addEventListener('abort', notify);
  try {
    while (!call.readableEnded) {
      signal.throwIfAborted();
      if (call.destroyed) throw new MedformerError('CANCELLED', 'the call is over');
      const message = call.read();
      if (message !== null) yield active.seen(message);
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
    // A cancelled stream first looks like one that ended well; its reset follows within two turns of the event loop.
    for (let turn = 0; turn < TURNS_UNTIL_RESET && !signal.aborted; turn += 1) await setImmediate();
    signal.throwIfAborted();
  } finally {
    for (const event of ['readable', 'end', 'close']) (call as EventEmitter).off(event, notify);
    signal.removeEventListener('abort', notify);
  }
}

/** Takes the next response only when the peer has room for it: a slow reader costs no memory here. */
async function writeAll(
  call: ServerStreamCall | DuplexCall,
  responses: AsyncIterable<unknown>,
  active: ActiveCall,
) {
  const { signal } = active.context;
  for await (const response of responses) {
    signal.throwIfAborted();
    if (!call.write(active.seen(response))) await once(call, 'drain', { signal });
  }
  signal.throwIfAborted();
}
