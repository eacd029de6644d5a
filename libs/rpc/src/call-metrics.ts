import type { MethodDefinition } from '@grpc/grpc-js';
import { ERROR_CODES, type ErrorCode } from '@medformer/schema';
import { Counter, Histogram, metrics } from '@medformer/telemetry';

// The names and labels of go-grpc-prometheus, which gRPC dashboards and alerts know.
const labelNames = ['grpc_type', 'grpc_service', 'grpc_method'] as const;

const started = new Counter({
  name: 'grpc_server_started_total',
  help: 'Calls whose handler began.',
  labelNames,
  registers: [metrics],
});

const handled = new Counter({
  name: 'grpc_server_handled_total',
  help: 'Calls that ended, by status code.',
  labelNames: [...labelNames, 'grpc_code'],
  registers: [metrics],
});

const handlingSeconds = new Histogram({
  name: 'grpc_server_handling_seconds',
  help: 'From the first message to the end of the call.',
  labelNames,
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600],
  registers: [metrics],
});

type Shape = Pick<MethodDefinition<unknown, unknown>, 'path' | 'requestStream' | 'responseStream'>;

/** Shows an rpc that nobody has called yet, with every code at 0, so that a rate sees the first call and the first error. */
export function showMethod(method: Shape): void {
  const labels = labelsOf(method);
  started.inc(labels, 0);
  for (const code of ['OK', ...ERROR_CODES]) handled.inc({ ...labels, grpc_code: code }, 0);
}

/** Counts one call; the answer is what to do with its code at its end. */
export function measureCall(method: Shape): (code: ErrorCode | 'OK') => void {
  const labels = labelsOf(method);
  started.inc(labels);
  const observe = handlingSeconds.startTimer(labels);
  return (code) => {
    observe();
    handled.inc({ ...labels, grpc_code: code });
  };
}

function labelsOf(method: Shape) {
  const [, grpc_service = '', grpc_method = ''] = method.path.split('/');
  return { grpc_type: typeOf(method), grpc_service, grpc_method };
}

function typeOf({ requestStream, responseStream }: Shape): string {
  if (requestStream) return responseStream ? 'bidi_stream' : 'client_stream';
  return responseStream ? 'server_stream' : 'unary';
}
