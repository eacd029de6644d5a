import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { AugmentationServiceClient } from '@medformer/gen/augmentation';
import { afterEach, describe, expect, it } from 'vitest';
import {
  connect,
  handlers,
  startTestService,
  stopTestServices,
  viewOf,
  viewsRequest,
} from '../spec/test-service.js';

afterEach(stopTestServices);

const session = (port: number) =>
  connectHttp2(`http://127.0.0.1:${port}`).on('error', () => undefined) as ClientHttp2Session;

describe('a connection', () => {
  it('without a call is closed after its idle time, whether it speaks HTTP/2 or says nothing', async () => {
    const { port } = await startTestService({ maxConnectionIdleMs: 300 });
    const silent = connectTcp(port, '127.0.0.1').on('error', () => undefined);
    await Promise.all([once(session(port), 'close'), once(silent.resume(), 'close')]);
  });

  it('with a call stays until the call is done', async () => {
    handlers.drawViews = async function* () {
      for (let index = 0; index < 12; index += 1) {
        await sleep(100);
        yield viewOf(String(index));
      }
    };
    const { port } = await startTestService({ maxConnectionIdleMs: 200 });
    const client = connect(AugmentationServiceClient, port);
    let views = 0;
    for await (const _ of client.drawViews(viewsRequest)) views += 1;
    expect(views).toBe(12);
    client.close();
  });

  it('may have as many calls under way as the setting says', async () => {
    const { port } = await startTestService({ maxStreamsPerConnection: 7 });
    const opened = session(port);
    const [settings] = await once(opened, 'remoteSettings');
    expect(settings).toMatchObject({ maxConcurrentStreams: 7 });
    opened.close();
  });
});

it('shows every rpc with every code at 0 before it is called, so that a rate sees the first error', async () => {
  const { metricsPort } = await startTestService();
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const of = (method: string) =>
    `grpc_type="unary",grpc_service="medformer.encoder.v1.EncoderService",grpc_method="${method}"`;
  expect(text).toContain(`grpc_server_started_total{${of('GetModel')}} 0`);
  for (const code of ['OK', 'INTERNAL', 'RESOURCE_EXHAUSTED'])
    expect(text).toContain(`grpc_server_handled_total{${of('GetModel')},grpc_code="${code}"} 0`);
});
