import { PassThrough } from 'node:stream';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { type GetRunRequest, RunState, TrainerServiceService } from '@medformer/gen/trainer';
import { sha256 } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkpointOfRun, checkpointTable, resolveCheckpoint } from './checkpoints.js';
import { addressesFromEnv, Connection } from './connection.js';
import type { Context } from './context.js';
import { loadedLines } from './loaded-lines.js';
import { Terminal } from './terminal.js';

const address = (step: number) => sha256(`checkpoint ${step}`);
const checkpoints = [
  { step: 0n, checkpoint: address(0), keptAs: ['initial'], loss: undefined, value: undefined },
  { step: 20n, checkpoint: address(20), keptAs: ['best', 'referred'], loss: 1.5, value: 0.9 },
  { step: 30n, checkpoint: address(30), keptAs: ['last'], loss: 1.25, value: 0.8 },
];

let server: Server;
let context: Context;
beforeAll(async () => {
  server = new Server();
  server.addService(TrainerServiceService, {
    getRun: (
      { request }: { request: GetRunRequest },
      answer: (error: object | null, response?: object) => void,
    ) => {
      if (request.run === 'unknown') return answer({ code: status.NOT_FOUND, details: 'run unknown' });
      const empty = request.run === 'empty';
      const run = {
        run: request.run,
        state: RunState.RUN_STATE_RUNNING,
        step: 30n,
        steps: 40n,
        method: 'simclr',
        checkpoint: empty ? '' : address(30),
        failure: '',
      };
      answer(null, { run, spec: {}, checkpoints: empty ? [] : checkpoints });
    },
  } as never);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  const { signal } = new AbortController();
  context = {
    connection: new Connection(addressesFromEnv(`127.0.0.1:${port}`, {}), { signal }),
    terminal: new Terminal(false, new PassThrough(), new PassThrough()),
    signal,
  };
});
afterAll(() => server.forceShutdown());

describe('a run names', () => {
  it.each([
    ['its newest checkpoint', 'some', 30],
    ['its best one', 'some@best', 20],
    ['the one it started from', 'some@initial', 0],
    ['the one of a step', 'some@20', 20],
  ])('%s', async (_, reference, step) => {
    expect(await checkpointOfRun(context, reference)).toBe(address(step));
    expect(await resolveCheckpoint(context, `run=${reference}`)).toBe(address(step));
  });

  it('no checkpoint that it does not keep, and says which it keeps', async () => {
    for (const which of ['25', 'last', 'referred', '']) {
      await expect(checkpointOfRun(context, `some@${which}`)).rejects.toMatchObject({
        code: 'NOT_FOUND',
        message: `run some: keeps no checkpoint ${which}; it has 0=initial, 20=best, 30`,
      });
    }
    await expect(checkpointOfRun(context, 'empty@best')).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: 'run empty has no checkpoint yet',
    });
    await expect(checkpointOfRun(context, 'unknown')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('nothing where an address stands', async () => {
    expect(await resolveCheckpoint(context, address(20))).toBe(address(20));
    expect(await resolveCheckpoint(context, 7)).toBe(7);
  });
});

it('a table of checkpoints says why each stays and what it is worth', () => {
  const rows = checkpointTable(checkpoints, 'knn-auc')
    .split('\n')
    .map((line) => line.replaceAll(/[│ ]+/g, ' '));
  expect(rows).toContain(' step checkpoint kept as loss knn-auc ');
  expect(rows).toContain(` 20 ${address(20).slice(0, 12)} best, referred 1.5000 0.9000 `);
  expect(checkpointTable(checkpoints)).not.toMatch(/0\.9/);
});

it('a load report in words counts what was taken over and names what is not as it was', () => {
  const at = (name: string) => ({ name, shape: [2] });
  expect(
    loadedLines({
      checkpoint: sha256('other'),
      matched: [at('body/a'), at('body/b')],
      reshaped: [{ name: 'input/modality-codes', from: [3, 2], to: [5, 2] }],
      missing: [at('body/new')],
      unexpected: [at('body/gone')],
      misshapen: [{ name: 'body/c', from: [2], to: [3] }],
      fresh: [at('output/heads/region/weight'), at('output/heads/region/bias')],
      leftBehind: [at('method/simclr/projection-0/weight')],
    }),
  ).toEqual([
    `starts from checkpoint ${sha256('other').slice(0, 12)}: 2 tensors as they were`,
    '  input/modality-codes [3, 2] by key into [5, 2]',
    '  2 of its own method and tasks from the seed: output/heads',
    "  1 of the other's left behind: method/simclr",
    '  missing: body/new [2], from the seed',
    '  unexpected: body/gone [2], left behind',
    '  of another shape: body/c [2], from the seed as [3]',
  ]);
});
