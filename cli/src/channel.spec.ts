import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, type ServerUnaryCall, status } from '@grpc/grpc-js';
import { IngestionServiceService, ListDatasetsRequest } from '@medformer/gen/ingestion';
import { CancelRunRequest, TrainerServiceService } from '@medformer/gen/trainer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addressesFromEnv, Connection } from './connection.js';

type Answer = (error: object | null, response?: object) => void;
type Call = ServerUnaryCall<unknown, unknown>;

let server: Server;
let folder: string;
/** Each call that arrived: its rpc and who it says it is. */
let arrived: { rpc: string; authorization: unknown }[];
/** How many calls are still refused. */
let refusals: number;

const answer = (call: Call, respond: Answer) => {
  arrived.push({ rpc: call.getPath().split('/')[2]!, authorization: call.metadata.get('authorization')[0] });
  if (refusals > 0) respond({ code: status.UNAVAILABLE, details: 'restarting' });
  else respond(null, { datasets: [] });
  refusals -= 1;
};

const connectionTo = async (scheme = '', tokenFile?: string) => {
  server.addService(IngestionServiceService, { listDatasets: answer } as never);
  server.addService(TrainerServiceService, { cancelRun: answer } as never);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return new Connection(addressesFromEnv(`${scheme}127.0.0.1:${port}`, {}), { channel: { tokenFile } });
};

beforeEach(async () => {
  server = new Server();
  arrived = [];
  refusals = 0;
  folder = await mkdtemp(join(tmpdir(), 'medformer-channel-'));
});
afterEach(async () => {
  server.forceShutdown();
  await rm(folder, { recursive: true });
});

describe('a channel', () => {
  it.each(['', 'dns:///'])('tries a call that changes nothing again (%j)', async (scheme) => {
    const connection = await connectionTo(scheme);
    refusals = 2;
    const { listDatasets } = IngestionServiceService;
    expect(await connection.unary(listDatasets, ListDatasetsRequest.fromPartial({}))).toMatchObject({
      datasets: [],
    });
    expect(arrived.map(({ rpc }) => rpc)).toEqual(['ListDatasets', 'ListDatasets', 'ListDatasets']);
    connection.close();
  });

  it('tries one that changes something once', async () => {
    const connection = await connectionTo();
    refusals = 1;
    const cancelling = connection.unary(
      TrainerServiceService.cancelRun,
      CancelRunRequest.fromPartial({ run: 'r' }),
    );
    await expect(cancelling).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(arrived.map(({ rpc }) => rpc)).toEqual(['CancelRun']);
    connection.close();
  });

  it('shows the token that its file holds at the time of the call', async () => {
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, 'first\n');
    const connection = await connectionTo('', tokenFile);
    const list = () =>
      connection.unary(IngestionServiceService.listDatasets, ListDatasetsRequest.fromPartial({}));
    await list();
    await writeFile(tokenFile, 'second\n');
    await list();
    expect(arrived.map(({ authorization }) => authorization)).toEqual(['Bearer first', 'Bearer second']);
    connection.close();
  });

  it('shows no token to another machine in plain text', async () => {
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, 'first');
    const call = (address: string, allowInsecure: boolean) =>
      new Connection(addressesFromEnv(address, {}), { timeoutMs: 500, channel: { tokenFile, allowInsecure } })
        .unary(IngestionServiceService.listDatasets, ListDatasetsRequest.fromPartial({}))
        .catch((error) => error.code);
    for (const address of [
      'far.invalid:1',
      'dns:///far.invalid:1',
      '127.0.0.1.far.invalid:1',
      'localhost.far.invalid:1',
    ])
      expect([address, await call(address, false).catch((error) => error.code)]).toEqual([
        address,
        'INVALID_ARGUMENT',
      ]);
    expect(await call('far.invalid:1', true)).not.toBe('INVALID_ARGUMENT');
  });
});
