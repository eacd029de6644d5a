import { isIP } from 'node:net';
import {
  type Metadata,
  type MethodDefinition,
  ServerInterceptingCall,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import { Counter, type Logger, metrics, newTraceId, traceIdOf } from '@medformer/telemetry';
import { measureCall } from '../call-metrics.js';
import { statusOf } from '../status.js';
import type { AuditLog } from './audit-log.js';
import { ANONYMOUS, type Authenticator, type Caller } from './authenticator.js';
import { CallRefused } from './call-refused.js';
import type { CallerLimits } from './caller-limits.js';
import { accessOf } from './rpc-scopes.js';

const refusals = new Counter({
  name: 'medformer_calls_refused_total',
  help: 'Calls answered before their handler began, by reason.',
  labelNames: ['reason'],
  registers: [metrics],
});

type Method = Pick<MethodDefinition<unknown, unknown>, 'path' | 'requestStream' | 'responseStream'>;
type InterceptedCall = Parameters<ServerInterceptor>[1];

/**
 * Stands before every handler: who calls, may they, and how much. It answers from a call's headers, before its first
 * message is read, so that a stranger's message takes no memory.
 */
export class Guard {
  /** Known to handlers by the metadata of their call, which both see. */
  private readonly callers = new WeakMap<Metadata, Caller>();

  constructor(
    private readonly authenticator: Authenticator,
    private readonly limits: CallerLimits,
    private readonly audit: AuditLog | undefined,
    private readonly logger: Logger,
  ) {}

  /** The caller that was let in with this metadata. */
  callerOf(metadata: Metadata): Caller {
    return this.callers.get(metadata) ?? ANONYMOUS;
  }

  readonly interceptor: ServerInterceptor = (method, call) => {
    let end: (() => void) | undefined;
    let ended = false;
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, proceed) => {
            this.admit(method, call, metadata, (begun) => {
              // The caller may have left while its token was checked.
              if (ended) begun();
              else end = begun;
            }).then(
              () => proceed(metadata),
              (thrown: unknown) => this.refuse(method, call, metadata, thrown),
            );
          },
          // Emitted at the end of every call, also of a good one.
          onCancel: () => {
            ended = true;
            end?.();
          },
        }),
    });
  };

  private async admit(
    { path }: Method,
    call: InterceptedCall,
    metadata: Metadata,
    begun: (end: () => void) => void,
  ): Promise<void> {
    const access = accessOf(path);
    if (access === 'open') return;
    const caller = await this.authenticator.identify(metadata, call.getAuthContext().sslPeerCertificate);
    this.callers.set(metadata, caller);
    if (caller.scopes && access !== 'known' && !(access && caller.scopes.has(access))) {
      const needed = access ? `this rpc needs the scope ${access}` : 'this rpc is open to no scope';
      throw new CallRefused('missing_scope', 'PERMISSION_DENIED', needed);
    }
    begun(this.limits.begin(caller, addressOf(call.getPeer())));
  }

  private refuse(method: Method, call: InterceptedCall, metadata: Metadata, thrown: unknown): void {
    const [traceparent] = metadata.get('traceparent');
    const traceId = traceIdOf(traceparent?.toString()) ?? newTraceId();
    const failure = statusOf(thrown, traceId);
    call.sendStatus(failure);
    if (!(thrown instanceof CallRefused)) {
      this.logger.error({ rpc: method.path, err: thrown, trace_id: traceId }, 'call failed');
      measureCall(method)('INTERNAL');
      return;
    }
    const { code, reason } = thrown;
    measureCall(method)(code);
    refusals.inc({ reason });
    const refused = {
      caller: this.callerOf(metadata).name,
      rpc: method.path,
      code,
      peer: call.getPeer(),
      reason,
    };
    if (this.audit) this.audit.write({ ...refused, traceId });
    else this.logger.info({ ...refused, trace_id: traceId }, 'call refused');
  }
}

/** Without the port, which every connection has another of. */
function addressOf(peer: string): string {
  const address = peer.replace(/:\d+$/, '');
  return isIP(address) ? address : peer;
}
