import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { Metadata, status } from '@grpc/grpc-js';
import { EncoderServiceClient } from '@medformer/gen/encoder';
import { MedformerError } from '@medformer/schema';
import { newTraceId } from '@medformer/telemetry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  connect,
  encodeRequest,
  handlers,
  startTestService,
  stopTestServices,
} from '../../spec/test-service.js';

interface ReceivedSpan {
  name: string;
  traceId: string;
  parentSpanId: string;
  kind: number;
  statusCode: number;
  attributes: Record<string, string | number>;
  service: string;
}

/** An OTLP/HTTP receiver that reads what it gets. */
let collector: Server;
let received: ReceivedSpan[];
let paths: (string | undefined)[];
let endpoint: string;

beforeEach(async () => {
  received = [];
  paths = [];
  collector = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    paths.push(request.url);
    received.push(...spansOf(Buffer.concat(chunks)));
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  }).listen(0, '127.0.0.1');
  await once(collector, 'listening');
  endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
});
afterEach(async () => {
  handlers.encode = async () => [1];
  await stopTestServices();
  collector.close();
  collector.closeAllConnections();
});

const call = async (client: EncoderServiceClient, traceparent?: string) => {
  const metadata = new Metadata();
  if (traceparent) metadata.set('traceparent', traceparent);
  return new Promise<string>((resolve) => {
    client
      .encode(encodeRequest, metadata, () => undefined)
      .on('status', (end) => resolve(end.metadata.get('x-trace-id')[0] as string));
  });
};

describe('tracing', () => {
  it('sends a span for each call, under the span of its caller', async () => {
    const { port } = await startTestService({ otlpEndpoint: endpoint });
    const client = connect(EncoderServiceClient, port);
    const traceId = newTraceId();
    expect(await call(client, `00-${traceId}-00f067aa0ba902b7-01`)).toBe(traceId);
    const own = await call(client);
    handlers.encode = async () => {
      throw new MedformerError('NOT_FOUND', 'no such thing');
    };
    await call(client);
    handlers.encode = async () => {
      throw new Error('a defect');
    };
    await call(client);
    client.close();
    await stopTestServices();
    expect(new Set(paths)).toEqual(new Set(['/v1/traces']));
    const attributes = (code: number) => ({
      'rpc.system': 'grpc',
      'rpc.service': 'medformer.encoder.v1.EncoderService',
      'rpc.method': 'Encode',
      'rpc.grpc.status_code': code,
    });
    const common = { name: 'medformer.encoder.v1.EncoderService/Encode', kind: 2, service: 'test' };
    expect(received).toMatchObject([
      {
        ...common,
        traceId,
        parentSpanId: '00f067aa0ba902b7',
        statusCode: 0,
        attributes: attributes(status.OK),
      },
      { ...common, traceId: own, parentSpanId: '', statusCode: 0 },
      { ...common, statusCode: 0, attributes: attributes(status.NOT_FOUND) },
      { ...common, statusCode: 2, attributes: attributes(status.INTERNAL) },
    ]);
  });

  it('follows the decision of the caller, else its own ratio', async () => {
    const { port } = await startTestService({ otlpEndpoint: endpoint, otlpSampleRatio: 0 });
    const client = connect(EncoderServiceClient, port);
    const [sampled, not] = [newTraceId(), newTraceId()];
    await call(client, `00-${sampled}-00f067aa0ba902b7-01`);
    expect(await call(client, `00-${not}-00f067aa0ba902b7-00`)).toBe(not);
    expect(await call(client)).toMatch(/^[0-9a-f]{32}$/);
    client.close();
    await stopTestServices();
    expect(received.map(({ traceId }) => traceId)).toEqual([sampled]);
  });

  it('that has no one to send to delays neither calls nor the end', async () => {
    collector.close();
    const { port } = await startTestService({ otlpEndpoint: endpoint });
    const client = connect(EncoderServiceClient, port);
    await call(client);
    client.close();
    const started = performance.now();
    await stopTestServices();
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});

/** Of an opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest. */
function spansOf(bytes: Uint8Array): ReceivedSpan[] {
  return nested(bytes, 1).flatMap((resourceSpans) => {
    const resource = nested(resourceSpans, 1).flatMap((each) => nested(each, 1));
    return nested(resourceSpans, 2)
      .flatMap((scopeSpans) => nested(scopeSpans, 2))
      .map((span) => ({
        name: text(span, 5),
        traceId: hex(span, 1),
        parentSpanId: hex(span, 4),
        kind: number(span, 6),
        statusCode: nested(span, 15).map((each) => number(each, 3))[0] ?? 0,
        attributes: attributesOf(nested(span, 9)),
        service: String(attributesOf(resource)['service.name']),
      }));
  });
}

function attributesOf(keyValues: readonly Uint8Array[]): Record<string, string | number> {
  return Object.fromEntries(
    keyValues.map((each) => {
      const [value] = nested(each, 2);
      return [text(each, 1), nested(value!, 1).length > 0 ? text(value!, 1) : number(value!, 3)];
    }),
  );
}

function fields(bytes: Uint8Array, wanted: number): (Uint8Array | number)[] {
  const reader = new BinaryReader(bytes);
  const found: (Uint8Array | number)[] = [];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field !== wanted) reader.skip(type, field);
    else found.push(type === WireType.LengthDelimited ? reader.bytes() : Number(reader.uint64()));
  }
  return found;
}

const nested = (bytes: Uint8Array, field: number) =>
  fields(bytes, field).filter((each) => typeof each !== 'number');
const number = (bytes: Uint8Array, field: number) => Number(fields(bytes, field)[0] ?? 0);
const text = (bytes: Uint8Array, field: number) =>
  Buffer.from(nested(bytes, field)[0] ?? []).toString('utf8');
const hex = (bytes: Uint8Array, field: number) => Buffer.from(nested(bytes, field)[0] ?? []).toString('hex');
