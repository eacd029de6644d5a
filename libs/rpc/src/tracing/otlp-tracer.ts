import type { MethodDefinition } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { codeVersion } from '@medformer/telemetry';
import { type Context, ROOT_CONTEXT, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { CallSpan, CallTracer } from './call-tracer.js';

/** Codes that the semantic conventions for gRPC servers count as the server's errors. */
const ERRORS: readonly string[] = [
  'UNKNOWN',
  'DEADLINE_EXCEEDED',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
];

const EXPORT_TIMEOUT_MS = 5000;

/** Spans of calls, sent in batches by OTLP over HTTP; calls never wait for them. */
export class OtlpTracer implements CallTracer {
  private readonly provider: TracerProvider;
  private readonly tracer: Tracer;

  /** `endpoint` as OTEL_EXPORTER_OTLP_ENDPOINT has it: the collector's address, without `/v1/traces`. */
  constructor(name: string, endpoint: string, sampleRatio: number) {
    const url = `${endpoint.replace(/\/$/, '')}/v1/traces`;
    const exporter = new OTLPTraceExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS });
    this.provider = new TracerProvider({
      resource: resourceFromAttributes({
        'service.namespace': 'medformer',
        'service.name': name,
        'service.version': codeVersion(),
      }),
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampleRatio) }),
      spanProcessors: [new BatchSpanProcessor({ exporter })],
    });
    this.tracer = this.provider.getTracer('@medformer/rpc');
  }

  startCall(method: MethodDefinition<unknown, unknown>, traceparent: string | undefined): CallSpan {
    const [, service = '', name = ''] = method.path.split('/');
    const span = this.tracer.startSpan(
      `${service}/${name}`,
      {
        kind: SpanKind.SERVER,
        attributes: { 'rpc.system': 'grpc', 'rpc.service': service, 'rpc.method': name },
      },
      parentOf(traceparent),
    );
    return {
      traceId: span.spanContext().traceId,
      end(code) {
        span.setAttribute('rpc.grpc.status_code', status[code]);
        if (ERRORS.includes(code)) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      },
    };
  }

  async close(): Promise<void> {
    // A collector that is gone must not keep a server from stopping.
    await this.provider.shutdown().catch(() => undefined);
  }
}

function parentOf(traceparent: string | undefined): Context {
  const match = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/.exec(traceparent ?? '');
  if (!match) return ROOT_CONTEXT;
  const [, traceId, spanId, flags] = match;
  // Zeros are no ids; the sampler then takes the span for a root.
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId: traceId!,
    spanId: spanId!,
    traceFlags: Number.parseInt(flags!, 16),
    isRemote: true,
  });
}
