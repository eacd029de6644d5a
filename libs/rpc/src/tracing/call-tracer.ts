import type { MethodDefinition } from '@grpc/grpc-js';
import type { ErrorCode } from '@medformer/schema';
import { z } from 'zod';

/** Opens a span for each call. */
export interface CallTracer {
  /** `traceparent` as the caller sent it (W3C Trace Context, section 3.2.2). */
  startCall(method: MethodDefinition<unknown, unknown>, traceparent: string | undefined): CallSpan;
  /** Sends what is left, for as long as that takes within bounds. */
  close(): Promise<void>;
}

export interface CallSpan {
  /** 32 hex digits: the caller's, or a new one. */
  readonly traceId: string;
  end(code: ErrorCode | 'OK'): void;
}

export const tracingShape = {
  otlpEndpoint: z
    .url()
    .optional()
    .describe('OTLP/HTTP address to send traces to, e.g. http://collector:4318; default: none are made'),
  otlpSampleRatio: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe('share of calls to trace of those that come without a decision of their caller'),
};

export type TracingConfig = z.output<z.ZodObject<typeof tracingShape>>;

/** Undefined without an endpoint; OpenTelemetry's SDK is then not even loaded. */
export async function openTracer(name: string, config: TracingConfig): Promise<CallTracer | undefined> {
  if (config.otlpEndpoint === undefined) return undefined;
  const { OtlpTracer } = await import('./otlp-tracer.js');
  return new OtlpTracer(name, config.otlpEndpoint, config.otlpSampleRatio);
}
