import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { startComputeProcess } from '@medformer/compute';
import {
  AugmentationServiceClient,
  AugmentationServiceService,
  type DrawViewsRequest,
  type DrawViewsResponse,
} from '@medformer/gen/augmentation';
import { type EncodeRequest, EncoderServiceClient, EncoderServiceService } from '@medformer/gen/encoder';
import {
  IngestionServiceClient,
  IngestionServiceService,
  type UploadFileRequest,
  type UploadFileResponse,
} from '@medformer/gen/ingestion';
import { MedformerError } from '@medformer/schema';
import { createLogger, newTraceId, traceparentOf } from '@medformer/telemetry';
import { Controller } from '@nestjs/common';
import { service as healthService } from 'grpc-health-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { baseConfig } from './base-config.js';
import type { CallContext } from './call-context.js';
import { RpcController } from './rpc-controller.js';
import { type RunningService, runService } from './run-service.js';
import { defineStage } from './stage.js';

type Encode = (request: EncodeRequest, call: CallContext) => Promise<number[]>;
type Views = (request: DrawViewsRequest, call: CallContext) => AsyncIterable<DrawViewsResponse>;
type Upload = (requests: AsyncIterable<UploadFileRequest>, call: CallContext) => Promise<UploadFileResponse>;
type Relay = (
  requests: AsyncIterable<UploadFileRequest>,
  call: CallContext,
) => AsyncIterable<UploadFileResponse>;

/** What the controllers do is set by each test. */
let encode: Encode;
let drawViews: Views;
let upload: Upload;
let relay: Relay;
let blocker: MedformerError | undefined;
const logged: Record<string, unknown>[] = [];

const { encode: encodeRpc, getModel, loadModel } = EncoderServiceService;

@Controller()
@RpcController({ encode: encodeRpc, getModel, loadModel })
class EncoderController {
  async encode(request: EncodeRequest, call: CallContext) {
    return { embedding: await encode(request, call), lineage: undefined, timing: undefined, notes: [] };
  }
  getModel() {
    return { model: undefined };
  }
  loadModel() {
    return { model: undefined };
  }
}

@Controller()
@RpcController({ drawViews: AugmentationServiceService.drawViews })
class AugmentationController {
  drawViews(request: DrawViewsRequest, call: CallContext) {
    return drawViews(request, call);
  }
}

const uploads = {
  uploadFile: IngestionServiceService.uploadFile,
  /** Streams both ways; the rest of a client stream's rpc. */
  relay: {
    ...IngestionServiceService.uploadFile,
    path: '/medformer.ingestion.v1.IngestionService/Relay',
    responseStream: true,
  } as const,
};

@Controller()
@RpcController(uploads)
class IngestionController {
  uploadFile(requests: AsyncIterable<UploadFileRequest>, call: CallContext) {
    return upload(requests, call);
  }
  relay(requests: AsyncIterable<UploadFileRequest>, call: CallContext) {
    return relay(requests, call);
  }
}

const stageOf = (definition: object, controller: new () => object, ready?: () => Promise<void>) => {
  class StageModule {}
  return defineStage({
    name: 'test',
    defaultPort: 0,
    definitions: [definition],
    config: {},
    module: () => ({ module: StageModule, controllers: [controller] }),
    ...(ready ? { ready } : {}),
  });
};

const stages = [
  stageOf(EncoderServiceService, EncoderController, async () => {
    if (blocker) throw blocker;
  }),
  stageOf(AugmentationServiceService, AugmentationController),
  stageOf({ ...IngestionServiceService, ...uploads }, IngestionController),
];

let data: string;
const running: RunningService[] = [];
const start = async (overrides: Record<string, unknown> = {}) => {
  const config = baseConfig.parse({
    data,
    port: 0,
    metricsPort: 0,
    probePort: 0,
    maxMessageBytes: 100_000,
    ...overrides,
  });
  const logger = createLogger('test', {
    level: 'info',
    destination: { write: (line: string) => void logged.push(JSON.parse(line)) },
  });
  const service = await runService('test', stages, config, { logger });
  running.push(service);
  return service;
};

const request: EncodeRequest = {
  image: undefined,
  modality: 'ct',
  bodyPart: 'chest',
  model: '',
  priority: 0,
};
const viewsRequest: DrawViewsRequest = {
  dataset: 'x',
  method: 'simclr',
  seed: 9007199254740993n,
  imageIds: [],
  images: 0,
  viewsPerImage: 0,
  dimensions: 0,
};

interface Answer {
  error: ServiceError | null;
  embedding: number[] | undefined;
  trailers: Promise<Metadata>;
  cancel(): void;
}

/** One Encode call: settles with the answer or the error, never rejects. */
const callEncode = (
  client: EncoderServiceClient,
  options: { deadline?: number; metadata?: Metadata; request?: EncodeRequest } = {},
) => {
  let cancel = () => {};
  const answer = new Promise<Omit<Answer, 'cancel'>>((resolve) => {
    const call = client.encode(
      options.request ?? request,
      options.metadata ?? new Metadata(),
      options.deadline === undefined ? {} : { deadline: options.deadline },
      (error, response) => resolve({ error, embedding: response?.embedding, trailers }),
    );
    const trailers = new Promise<Metadata>((done) => call.on('status', ({ metadata }) => done(metadata)));
    cancel = () => call.cancel();
  });
  return { answer, cancel };
};

const connect = <Client>(
  Type: new (address: string, creds: ReturnType<typeof credentials.createInsecure>) => Client,
  port: number,
) => new Type(`127.0.0.1:${port}`, credentials.createInsecure());

const health = (port: number, service = '') =>
  new Promise<string>((resolve, reject) => {
    const client = connect(EncoderServiceClient, port);
    const { Check } = healthService as unknown as {
      Check: { path: string; requestSerialize: never; responseDeserialize: never };
    };
    client.makeUnaryRequest(
      Check.path,
      Check.requestSerialize,
      Check.responseDeserialize,
      { service } as never,
      (error, response) => {
        client.close();
        if (error) reject(error);
        else resolve((response as unknown as { status: string }).status);
      },
    );
  });

const freePort = async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
};

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'medformer-rpc-'));
});
afterEach(async () => {
  blocker = undefined;
  await Promise.all(running.splice(0).map((service) => service.close()));
  logged.splice(0);
});
afterAll(() => rm(data, { recursive: true }));

describe('a unary call', () => {
  it('reaches the controller and returns what it returns', async () => {
    encode = async ({ modality }) => [modality.length, 0.5];
    const client = connect(EncoderServiceClient, (await start()).port);
    expect(await callEncode(client).answer).toMatchObject({ error: null, embedding: [2, 0.5] });
    client.close();
  });

  it('carries its trace id to the handler and back, or gets one', async () => {
    const seen: string[] = [];
    encode = async (_request, call) => {
      seen.push(call.traceId);
      return [];
    };
    const client = connect(EncoderServiceClient, (await start()).port);
    const traceId = newTraceId();
    const metadata = new Metadata();
    metadata.set('traceparent', traceparentOf(traceId));
    const named = await callEncode(client, { metadata }).answer;
    const unnamed = await callEncode(client).answer;
    expect(seen[0]).toBe(traceId);
    expect((await named.trailers).get('x-trace-id')).toEqual([traceId]);
    expect((await unnamed.trailers).get('x-trace-id')).toEqual([seen[1]]);
    expect(seen[1]).toMatch(/^[0-9a-f]{32}$/);
    client.close();
  });

  it.each([
    'INVALID_ARGUMENT',
    'NOT_FOUND',
    'FAILED_PRECONDITION',
    'RESOURCE_EXHAUSTED',
    'DATA_LOSS',
  ] as const)('gives %s to the caller with its message', async (code) => {
    encode = async () => {
      throw new MedformerError(code, 'what is wrong');
    };
    const client = connect(EncoderServiceClient, (await start()).port);
    const { error } = await callEncode(client).answer;
    expect(error).toMatchObject({ code: status[code], details: 'what is wrong' });
    client.close();
  });

  it('hides the text of an unknown error and logs it once, under the trace id that the caller gets', async () => {
    encode = async () => {
      throw new Error('password of patient 7');
    };
    const client = connect(EncoderServiceClient, (await start()).port);
    const { error, trailers } = await callEncode(client).answer;
    const [traceId] = (await trailers).get('x-trace-id');
    expect(error).toMatchObject({ code: status.INTERNAL, details: `internal error (trace ${traceId})` });
    const lines = logged.filter((line) => JSON.stringify(line).includes('password of patient 7'));
    expect(lines).toMatchObject([{ level: 'error', trace_id: traceId }]);
    client.close();
  });

  it('is refused above the message limit', async () => {
    encode = async () => [1];
    const client = connect(EncoderServiceClient, (await start()).port);
    const large: EncodeRequest = {
      ...request,
      image: { $case: 'file', value: { name: 'x.png', content: Buffer.alloc(200_000) } },
    };
    const { error } = await callEncode(client, { request: large }).answer;
    expect(error?.code).toBe(status.RESOURCE_EXHAUSTED);
    expect((await callEncode(client).answer).embedding).toEqual([1]);
    client.close();
  });

  it('answers UNIMPLEMENTED where the stage has no handler', async () => {
    const client = connect(IngestionServiceClient, (await start()).port);
    const error = await new Promise<ServiceError | null>((resolve) => client.listDatasets({}, resolve));
    expect(error?.code).toBe(status.UNIMPLEMENTED);
    client.close();
  });
});

describe('the signal of a call', () => {
  /** A handler that works until its signal fires, and the reason it then saw. */
  const workUntilAborted = () => {
    let entered = () => {};
    const started = new Promise<void>((resolve) => {
      entered = resolve;
    });
    const stopped = new Promise<MedformerError>((resolve) => {
      encode = async (_request, call) => {
        entered();
        await once(call.signal, 'abort');
        resolve(call.signal.reason);
        throw call.signal.reason;
      };
    });
    return { started, stopped };
  };

  it('fires at the deadline', async () => {
    const client = connect(EncoderServiceClient, (await start()).port);
    const { stopped } = workUntilAborted();
    const { answer } = callEncode(client, { deadline: Date.now() + 300 });
    expect(await stopped).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect((await answer).error?.code).toBe(status.DEADLINE_EXCEEDED);
    client.close();
  });

  it('fires when the caller cancels', async () => {
    const client = connect(EncoderServiceClient, (await start()).port);
    const { started, stopped } = workUntilAborted();
    const { answer, cancel } = callEncode(client);
    await started;
    cancel();
    expect(await stopped).toMatchObject({ code: 'CANCELLED' });
    expect((await answer).error?.code).toBe(status.CANCELLED);
    client.close();
  });

  it('does not fire for a call that ends well', async () => {
    const reasons: unknown[] = [];
    encode = async (_request, call) => {
      call.signal.addEventListener('abort', () => reasons.push(call.signal.reason));
      return [1];
    };
    const client = connect(EncoderServiceClient, (await start()).port);
    await callEncode(client).answer;
    await sleep(50);
    expect(reasons).toEqual([]);
    client.close();
  });

  it('knows the deadline and the peer', async () => {
    let seen: CallContext | undefined;
    encode = async (_request, call) => {
      seen = call;
      return [];
    };
    const client = connect(EncoderServiceClient, (await start()).port);
    const deadline = Date.now() + 60_000;
    await callEncode(client, { deadline }).answer;
    expect(Math.abs(seen!.deadline!.getTime() - deadline)).toBeLessThan(5000);
    expect(seen!.peer).toMatch(/^127\.0\.0\.1:\d+$/);
    await callEncode(client).answer;
    expect(seen!.deadline).toBeUndefined();
    client.close();
  });
});

describe('a server stream', () => {
  const view = (imageId: string, bytes = 0): DrawViewsResponse => ({
    imageId,
    modality: '',
    bodyPart: '',
    image: { dataType: 1, shape: [], data: Buffer.alloc(bytes) },
    views: [],
  });

  it('sends what the handler yields, in order, and int64 without loss', async () => {
    drawViews = async function* ({ seed }) {
      for (let index = 0; index < 100; index += 1) yield view(`${seed}-${index}`);
    };
    const client = connect(AugmentationServiceClient, (await start()).port);
    const seen: string[] = [];
    for await (const response of client.drawViews(viewsRequest))
      seen.push((response as DrawViewsResponse).imageId);
    expect(seen).toEqual(Array.from({ length: 100 }, (_, index) => `9007199254740993-${index}`));
    client.close();
  });

  it('asks the handler for no more than a slow reader takes', async () => {
    let produced = 0;
    drawViews = async function* () {
      for (; produced < 3000; ) {
        produced += 1;
        yield view(String(produced), 50_000);
      }
    };
    const client = connect(AugmentationServiceClient, (await start()).port);
    const call = client.drawViews(viewsRequest);
    // A client that never began to read buffers without bound; this one reads once and stops.
    await once(call, 'data');
    call.pause();
    let before = -1;
    while (before !== produced) {
      before = produced;
      await sleep(200);
    }
    expect(produced).toBeLessThan(300);
    let received = 0;
    for await (const _response of call) received += 1;
    expect(received).toBe(2999);
    client.close();
  });

  it('stops the handler when the caller cancels, also while it waits for a slow reader', async () => {
    let ended = false;
    drawViews = async function* () {
      try {
        for (let index = 0; ; index += 1) yield view(String(index), 50_000);
      } finally {
        ended = true;
      }
    };
    const client = connect(AugmentationServiceClient, (await start()).port);
    const call = client.drawViews(viewsRequest);
    call.on('error', () => undefined);
    await once(call, 'data');
    call.pause();
    await sleep(300);
    call.cancel();
    while (!ended) await sleep(10);
    client.close();
  });

  it('ends with the status of what the handler throws midway', async () => {
    drawViews = async function* () {
      yield view('first');
      throw new MedformerError('ABORTED', 'the dataset changed');
    };
    const client = connect(AugmentationServiceClient, (await start()).port);
    const seen: string[] = [];
    const failed = await (async () => {
      for await (const response of client.drawViews(viewsRequest))
        seen.push((response as DrawViewsResponse).imageId);
    })().catch((error: ServiceError) => error);
    expect(seen).toEqual(['first']);
    expect(failed).toMatchObject({ code: status.ABORTED, details: 'the dataset changed' });
    client.close();
  });
});

const chunk = (text: string | Buffer): UploadFileRequest => ({
  uploadId: 'u',
  path: 'p',
  offsetBytes: 0n,
  chunk: Buffer.from(text),
});

describe('a client stream', () => {
  it('reaches the handler as an iterable and gets one answer', async () => {
    upload = async (requests) => {
      let sizeBytes = 0n;
      for await (const { chunk } of requests) sizeBytes += BigInt(chunk.length);
      return { sizeBytes };
    };
    const client = connect(IngestionServiceClient, (await start()).port);
    const answer = await new Promise<UploadFileResponse>((resolve, reject) => {
      const call = client.uploadFile((error, response) => (error ? reject(error) : resolve(response)));
      for (const text of ['one', 'two', 'three']) call.write(chunk(text));
      call.end();
    });
    expect(answer).toEqual({ sizeBytes: 11n });
    client.close();
  });

  it('can be answered before its end', async () => {
    upload = async (requests) => {
      for await (const { chunk } of requests) return { sizeBytes: BigInt(chunk.length) };
      return { sizeBytes: 0n };
    };
    const client = connect(IngestionServiceClient, (await start()).port);
    const answer = await new Promise<UploadFileResponse>((resolve, reject) => {
      const call = client.uploadFile((error, response) => (error ? reject(error) : resolve(response)));
      for (const text of ['one', 'three', 'five']) call.write(chunk(text));
    });
    expect(answer).toEqual({ sizeBytes: 3n });
    client.close();
  });

  it('that is cancelled ends the loop of the handler with the reason', async () => {
    let taken = () => {};
    const first = new Promise<void>((resolve) => {
      taken = resolve;
    });
    const ended = new Promise<unknown>((resolve) => {
      upload = async (requests) => {
        try {
          for await (const _request of requests) taken();
        } catch (error) {
          resolve(error);
        }
        return { sizeBytes: 0n };
      };
    });
    const client = connect(IngestionServiceClient, (await start()).port);
    const call = client.uploadFile(() => undefined);
    call.write(chunk('one'));
    await first;
    call.cancel();
    expect(await ended).toMatchObject({ code: 'CANCELLED' });
    client.close();
  });
});

describe('a stream both ways', () => {
  const openRelay = async (options: { deadline?: number } = {}, overrides = {}) => {
    const service = await start(overrides);
    const client = connect(IngestionServiceClient, service.port);
    const { path, requestSerialize, responseDeserialize } = uploads.relay;
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, options);
    const failed = new Promise<ServiceError>((resolve) => call.on('error', resolve as () => void));
    return { service, client, call, failed };
  };
  const sizes: Relay = async function* (requests) {
    for await (const { chunk } of requests) yield { sizeBytes: BigInt(chunk.length) };
  };

  it('answers each request as it comes, also after the handler has seen the last', async () => {
    relay = async function* (requests, call) {
      yield* sizes(requests, call);
      yield { sizeBytes: 0n };
    };
    const { client, call } = await openRelay();
    const seen: bigint[] = [];
    call.on('data', ({ sizeBytes }) => seen.push(sizeBytes));
    for (let length = 1; length <= 100; length += 1) {
      call.write(chunk('x'.repeat(length)));
      if (length % 10 === 0) while (seen.length < length) await sleep(1);
    }
    call.end();
    const [end] = await once(call, 'status');
    expect(end.code).toBe(status.OK);
    expect(seen).toEqual([...Array.from({ length: 100 }, (_, index) => BigInt(index + 1)), 0n]);
    client.close();
  });

  it('can end while the caller still writes', async () => {
    relay = async function* (requests) {
      for await (const { chunk } of requests) {
        yield { sizeBytes: BigInt(chunk.length) };
        return;
      }
    };
    const { client, call } = await openRelay();
    call.write(chunk('one'));
    call.write(chunk('two'));
    const seen: unknown[] = [];
    call.on('data', (message) => seen.push(message));
    const [end] = await once(call, 'status');
    expect([end.code, seen]).toEqual([status.OK, [{ sizeBytes: 3n }]]);
    client.close();
  });

  it('takes no more requests than a slow reader leaves room for answers', async () => {
    let taken = 0;
    relay = async function* (requests) {
      for await (const { chunk } of requests) {
        taken += 1;
        // Not a size: answers as large as the requests, in a message that has one number, need many of them.
        for (let part = 0; part < 200; part += 1) yield { sizeBytes: BigInt(chunk.length) };
      }
    };
    const { client, call } = await openRelay();
    let written = 0;
    let stopped = false;
    const writing = (async () => {
      for (; written < 1000 && !stopped; written += 1) {
        if (!call.write(chunk(Buffer.alloc(50_000)))) await once(call, 'drain');
      }
    })();
    await once(call, 'data');
    call.pause();
    let before = -1;
    while (before !== written + taken) {
      before = written + taken;
      await sleep(300);
    }
    expect(taken).toBeLessThan(200);
    expect(written).toBeLessThan(400);
    stopped = true;
    call.resume();
    let received = 1;
    call.on('data', () => {
      received += 1;
    });
    await writing;
    call.end();
    await once(call, 'end');
    expect(received).toBe(written * 200);
    client.close();
  });

  it('ends with the status of what the handler throws midway, though the caller still writes', async () => {
    relay = async function* (requests) {
      for await (const { chunk } of requests) {
        if (chunk.length === 0) throw new MedformerError('INVALID_ARGUMENT', 'expected bytes');
        yield { sizeBytes: BigInt(chunk.length) };
      }
    };
    const { client, call, failed } = await openRelay();
    call.resume();
    call.write(chunk('one'));
    call.write(chunk(''));
    call.write(chunk('two'));
    expect(await failed).toMatchObject({ code: status.INVALID_ARGUMENT, details: 'expected bytes' });
    client.close();
  });

  it.each([
    ['CANCELLED', 'the caller cancels'],
    ['DEADLINE_EXCEEDED', 'the deadline passes'],
    ['UNAVAILABLE', 'a drain runs out of time'],
  ] as const)('ends the loop of the handler with %s when %s', async (code, _why) => {
    const ended = new Promise<unknown>((resolve) => {
      relay = async function* (requests) {
        try {
          for await (const { chunk } of requests) yield { sizeBytes: BigInt(chunk.length) };
        } catch (error) {
          resolve(error);
          throw error;
        }
      };
    });
    const deadline = code === 'DEADLINE_EXCEEDED' ? { deadline: Date.now() + 3000 } : {};
    const { service, client, call, failed } = await openRelay(deadline, { drainTimeoutMs: 100 });
    call.write(chunk('one'));
    await once(call, 'data');
    if (code === 'CANCELLED') call.cancel();
    if (code === 'UNAVAILABLE') void service.close();
    expect(await ended).toMatchObject({ code });
    expect((await failed).code).toBe(status[code]);
    client.close();
  });

  it('under way is finished by a drain', async () => {
    relay = sizes;
    const { service, client, call } = await openRelay();
    const seen: bigint[] = [];
    call.on('data', ({ sizeBytes }) => seen.push(sizeBytes));
    call.write(chunk('one'));
    await once(call, 'data');
    const closing = service.close();
    while ((await health(service.probePort!)) !== 'NOT_SERVING') await sleep(10);
    call.write(chunk('three'));
    call.end();
    const [end] = await once(call, 'status');
    expect([end.code, seen]).toEqual([status.OK, [3n, 5n]]);
    await closing;
    client.close();
  });
});

describe('a running service', () => {
  it('says on both ports what serves, follows readiness, and names the reason', async () => {
    const service = await start();
    for (const port of [service.port, service.probePort!]) {
      expect(await health(port)).toBe('SERVING');
      expect(await health(port, 'medformer.encoder.v1.EncoderService')).toBe('SERVING');
      await expect(health(port, 'no.such.Service')).rejects.toMatchObject({ code: status.NOT_FOUND });
    }
    blocker = new MedformerError('UNAVAILABLE', 'no checkpoint is loaded');
    const answer = await fetch(`http://127.0.0.1:${service.metricsPort}/readyz`);
    expect([answer.status, await answer.text()]).toEqual([503, 'not ready: no checkpoint is loaded\n']);
    expect(await health(service.probePort!)).toBe('NOT_SERVING');
    expect(await health(service.port, 'medformer.encoder.v1.EncoderService')).toBe('NOT_SERVING');
    expect(await health(service.port, 'medformer.ingestion.v1.IngestionService')).toBe('SERVING');
  });

  it('lists its services by reflection, with every type that their messages name', async () => {
    const { port } = await start();
    const client = connect(EncoderServiceClient, port);
    const proto = new URL(
      '../node_modules/@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto',
      import.meta.url,
    );
    const definition = loadSync(proto.pathname)['grpc.reflection.v1.ServerReflection'] as unknown as {
      ServerReflectionInfo: { path: string; requestSerialize: never; responseDeserialize: never };
    };
    const { path, requestSerialize, responseDeserialize } = definition.ServerReflectionInfo;
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    const ask = async (question: object) => {
      call.write(question as never);
      const [answer] = await once(call, 'data');
      return answer;
    };
    const { listServicesResponse } = await ask({ listServices: '' });
    expect(listServicesResponse.service.map(({ name }: { name: string }) => name).sort()).toEqual([
      'grpc.health.v1.Health',
      'medformer.augmentation.v1.AugmentationService',
      'medformer.encoder.v1.EncoderService',
      'medformer.ingestion.v1.IngestionService',
    ]);
    const { fileDescriptorResponse } = await ask({
      fileContainingSymbol: 'medformer.encoder.v1.EncodeRequest',
    });
    const files = fileDescriptorResponse.fileDescriptorProto.map((bytes: Uint8Array) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    ) as FileDescriptorProto[];
    const named = (name: string) => files.find((file) => file.name === name);
    // Throws for a type or an import that the answer lacks.
    const registry = createFileRegistry(named('medformer/encoder/v1/encoder.proto')!, named);
    expect(registry.getService('medformer.encoder.v1.EncoderService')?.methods[0]?.name).toBe('Encode');
    call.end();
    client.close();
  });

  it('counts calls by method and code', async () => {
    encode = async ({ modality }) => {
      if (modality === 'bad') throw new MedformerError('INVALID_ARGUMENT', 'bad');
      return [];
    };
    const { port, metricsPort } = await start();
    const scrape = async (code: string) => {
      const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
      const labels = `grpc_type="unary",grpc_service="medformer.encoder.v1.EncoderService",grpc_method="Encode",grpc_code="${code}"`;
      const line = text.split('\n').find((each) => each.startsWith(`grpc_server_handled_total{${labels}}`));
      expect(text).toContain('grpc_server_handling_seconds_bucket');
      return Number(line?.split(' ').at(-1) ?? 0);
    };
    const before = [await scrape('OK'), await scrape('INVALID_ARGUMENT')] as const;
    const client = connect(EncoderServiceClient, port);
    await callEncode(client).answer;
    await callEncode(client).answer;
    await callEncode(client, { request: { ...request, modality: 'bad' } }).answer;
    expect([await scrape('OK'), await scrape('INVALID_ARGUMENT')]).toEqual([before[0] + 2, before[1] + 1]);
    client.close();
  });

  it('answers health while a compute process burns every core', async () => {
    const service = await start();
    type Burn = { burn: { input: { ms: number }; output: number; progress: string } };
    const burners = [1, 2].map(() =>
      startComputeProcess<Burn>(new URL('../spec/burn.mjs', import.meta.url), { gracePeriodMs: 100 }),
    );
    let burning = 0;
    const burns = burners.map((child) =>
      child.call(
        'burn',
        { ms: 60_000 },
        {
          onProgress: () => {
            burning += 1;
          },
        },
      ),
    );
    const settled = Promise.allSettled(burns);
    while (burning < burners.length) await sleep(10);
    const latencies: number[] = [];
    while (latencies.length < 10) {
      const started = performance.now();
      await health(service.probePort!);
      latencies.push(performance.now() - started);
    }
    expect(burners.every((child) => child.pid !== undefined)).toBe(true);
    expect(latencies.sort((x, y) => x - y)[5]).toBeLessThan(100);
    await Promise.all(burners.map((child) => child.stop()));
    await settled;
  });

  it('says which port it cannot have, and leaves none open', async () => {
    const { port, metricsPort } = await start();
    const unused = await freePort();
    await expect(start({ port })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: `cannot listen on 127.0.0.1:${port}`,
    });
    await expect(start({ metricsPort, probePort: unused })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: `cannot listen on 127.0.0.1:${metricsPort}`,
    });
    await expect(health(unused)).rejects.toMatchObject({ code: status.UNAVAILABLE });
  });
});

describe('closing', () => {
  it('lets a call under way finish and takes no new one', async () => {
    let entered = () => {};
    const started = new Promise<void>((resolve) => {
      entered = resolve;
    });
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    encode = async () => {
      entered();
      await released;
      return [7];
    };
    const service = await start();
    const client = connect(EncoderServiceClient, service.port);
    const { answer } = callEncode(client);
    await started;
    const closing = service.close();
    while ((await health(service.probePort!)) !== 'NOT_SERVING') await sleep(10);
    const late = connect(EncoderServiceClient, service.port);
    expect((await callEncode(late, { deadline: Date.now() + 2000 }).answer).error).not.toBeNull();
    release();
    expect(await answer).toMatchObject({ error: null, embedding: [7] });
    await closing;
    client.close();
    late.close();
  });

  it('ends calls that outlast the drain timeout with UNAVAILABLE', async () => {
    let entered = () => {};
    const started = new Promise<void>((resolve) => {
      entered = resolve;
    });
    encode = async (_request, call) => {
      entered();
      await once(call.signal, 'abort');
      throw call.signal.reason;
    };
    const service = await start({ drainTimeoutMs: 100 });
    const client = connect(EncoderServiceClient, service.port);
    const { answer } = callEncode(client);
    await started;
    await service.close();
    expect((await answer).error).toMatchObject({
      code: status.UNAVAILABLE,
      details: 'the server is shutting down',
    });
    client.close();
  });
});
