import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, type ServiceError } from '@grpc/grpc-js';
import { EncoderServiceClient } from '@medformer/gen/encoder';
import type { MedformerError } from '@medformer/schema';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ServiceProcess, startServiceProcess } from '../spec/service-process.js';
import {
  connect,
  encodeRequest,
  handlers,
  startTestService,
  stopTestServices,
} from '../spec/test-service.js';

let data: string;
const processes: ServiceProcess[] = [];
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'medformer-lifecycle-'));
});
afterEach(async () => {
  handlers.encode = async () => [1];
  for (const { child } of processes.splice(0)) child.kill('SIGKILL');
  await stopTestServices();
});
afterAll(() => rm(data, { recursive: true }));

const start = async (...flags: string[]) => {
  const service = await startServiceProcess(data, ...flags);
  processes.push(service);
  return service;
};
const until = async (condition: () => boolean | Promise<boolean>) => {
  while (!(await condition())) await sleep(20);
};

/** As the command's channels have it, for the one rpc that is called here. */
const serviceConfig = JSON.stringify({
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [
    {
      name: [{ service: 'medformer.encoder.v1.EncoderService', method: 'Encode' }],
      retryPolicy: {
        maxAttempts: 5,
        initialBackoff: '0.1s',
        maxBackoff: '2s',
        backoffMultiplier: 2,
        retryableStatusCodes: ['UNAVAILABLE'],
      },
    },
  ],
});

describe('a rolling restart under load', () => {
  it('fails no call of clients that try again', async () => {
    const [first, second] = [await start(), await start()];
    const client = new EncoderServiceClient(
      `ipv4:127.0.0.1:${first.port},127.0.0.1:${second.port}`,
      credentials.createInsecure(),
      {
        'grpc.service_config': serviceConfig,
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 500,
      },
    );
    let answered = 0;
    const failures: string[] = [];
    let loading = true;
    const worker = async () => {
      while (loading) {
        const request = { ...encodeRequest, modality: String(answered % 20) };
        const error = await new Promise<ServiceError | null>((resolve) => client.encode(request, resolve));
        if (error) failures.push(error.message);
        else answered += 1;
      }
    };
    const workers = Array.from({ length: 16 }, worker);
    const more = async () => {
      const before = answered;
      await until(() => answered >= before + 200 || failures.length > 0);
    };
    await more();
    first.child.kill('SIGTERM');
    expect(await first.ended).toBe(0);
    await more();
    const again = await start('--port', String(first.port));
    await until(async () => {
      const text = await (await fetch(`http://127.0.0.1:${again.metricsPort}/metrics`)).text();
      return text.includes('grpc_method="Encode",grpc_code="OK"');
    });
    second.child.kill('SIGTERM');
    expect(await second.ended).toBe(0);
    await more();
    loading = false;
    await Promise.all(workers);
    expect(failures).toEqual([]);
    client.close();
  });
});

describe('a peer that is gone without a word', () => {
  it('ends its call after the silence that is allowed, and a living one is left alone', async () => {
    const { port } = await startTestService({ keepaliveTimeMs: 300, keepaliveTimeoutMs: 3000 });
    const reasons: MedformerError[] = [];
    let entered = 0;
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    handlers.encode = async (_request, { signal }) => {
      entered += 1;
      signal.addEventListener('abort', () => reasons.push(signal.reason));
      await Promise.race([released, once(signal, 'abort')]);
      return [1];
    };
    // A network that can stop carrying anything without telling either side.
    const sockets: Socket[] = [];
    const network = createServer((near) => {
      const far = connectTcp(port, '127.0.0.1');
      near.pipe(far).pipe(near);
      sockets.push(near, far);
      for (const socket of [near, far]) socket.on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await once(network, 'listening');
    const lost = connect(EncoderServiceClient, (network.address() as AddressInfo).port);
    const living = connect(EncoderServiceClient, port);
    lost.encode(encodeRequest, () => undefined);
    const answer = new Promise<number[] | undefined>((resolve) =>
      living.encode(encodeRequest, (_error, response) => resolve(response?.embedding)),
    );
    await until(() => entered === 2);
    for (const socket of sockets) socket.unpipe().pause();
    await until(() => reasons.length > 0);
    expect(reasons).toMatchObject([{ code: 'CANCELLED' }]);
    release();
    expect(await answer).toEqual([1]);
    expect(reasons.length).toBe(1);
    lost.close();
    living.close();
    for (const socket of sockets) socket.destroy();
    network.close();
  });
});
