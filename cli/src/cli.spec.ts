import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import {
  type BeginUploadRequest,
  IngestionServiceService,
  type UploadFileRequest,
} from '@medformer/gen/ingestion';
import { RunState, TrainerServiceService } from '@medformer/gen/trainer';
import { sha256 } from '@medformer/schema';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { addressesFromEnv, Connection } from './connection.js';
import type { Context } from './context.js';
import { main } from './main.js';
import { Terminal } from './terminal.js';
import { followRun } from './training.js';
import { upload } from './upload.js';

/** A server that speaks the real contract; each test says what it answers. */
let server: Server;
let address: string;
let folder: string;

beforeEach(async () => {
  server = new Server();
  folder = await mkdtemp(join(tmpdir(), 'medformer-cli-'));
});

afterEach(async () => {
  server.forceShutdown();
  await rm(folder, { recursive: true });
  vi.restoreAllMocks();
});

async function listen(): Promise<void> {
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  address = `127.0.0.1:${port}`;
}

/** Runs the command line in this process. */
async function run(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    stdout += chunk;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    stderr += chunk;
    return true;
  });
  const code = await main(['--address', address, ...argv]);
  vi.restoreAllMocks();
  return { code, stdout, stderr };
}

function context(signal = new AbortController().signal): Context {
  const terminal = new Terminal(false, new PassThrough(), new PassThrough());
  return { connection: new Connection(addressesFromEnv(address, {}), { signal }), terminal, signal };
}

describe('main', () => {
  it.each([
    ['INVALID_ARGUMENT', status.INVALID_ARGUMENT, 13],
    ['NOT_FOUND', status.NOT_FOUND, 15],
    ['RESOURCE_EXHAUSTED', status.RESOURCE_EXHAUSTED, 18],
    ['INTERNAL', status.INTERNAL, 23],
  ])('ends with one line and the exit code of %s', async (name, code, exit) => {
    server.addService(IngestionServiceService, {
      listDatasets: (_call: unknown, answer: (error: object) => void) =>
        answer({ code, details: 'a\n  reason' }),
    } as never);
    await listen();
    const ended = await run('datasets', 'ls');
    expect(ended).toEqual({ code: exit, stdout: '', stderr: `medformer: ${name}: a reason\n` });
  });

  it('says how to start the services when none answers', async () => {
    address = '127.0.0.1:1';
    const ended = await run('datasets', 'ls');
    expect(ended.code).toBe(24);
    expect(ended.stderr).toMatch(
      /^medformer: UNAVAILABLE: 127\.0\.0\.1:1 does not answer \(.*\); start the services/,
    );
  });

  it('gives up after --timeout', async () => {
    server.addService(IngestionServiceService, { listDatasets: () => {} } as never);
    await listen();
    const ended = await run('--timeout', '0.2', 'datasets', 'ls');
    expect(ended.code).toBe(14);
    expect(ended.stderr).toContain('DEADLINE_EXCEEDED');
  });

  it('prints one JSON document on stdout with --json, counts as numbers', async () => {
    server.addService(IngestionServiceService, {
      listDatasets: (_call: unknown, answer: (error: null, value: object) => void) =>
        answer(null, {
          datasets: [{ name: 'chest', manifest: 'ab', images: 12n, subjects: 3n, alreadyPresent: false }],
        }),
    } as never);
    await listen();
    const ended = await run('--json', 'datasets', 'ls');
    expect(JSON.parse(ended.stdout)).toEqual([{ name: 'chest', manifest: 'ab', images: 12, subjects: 3 }]);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
  });

  it('puts a failure on stderr as JSON with --json', async () => {
    address = '127.0.0.1:1';
    const ended = await run('--json', 'ingest', join(folder, 'nothing'), '--name', 'x');
    expect(ended).toMatchObject({ code: 15, stdout: '' });
    expect(JSON.parse(ended.stderr)).toEqual({
      error: { code: 'NOT_FOUND', message: `${join(folder, 'nothing')}: no such file or folder` },
    });
  });

  it('answers wrong usage with 2 and help with 0', async () => {
    address = '127.0.0.1:1';
    expect((await run('ingest')).code).toBe(2);
    expect((await run('train', '--help')).code).toBe(0);
  });
});

describe('addressesFromEnv', () => {
  it('takes one stage from its own variable and the rest from --address', () => {
    const env = { MEDFORMER_ADDRESS: 'ignored:1', MEDFORMER_ENCODER_ADDRESS: 'gpu:2' };
    const addresses = addressesFromEnv('all:3', env);
    expect(addresses.encoder).toBe('gpu:2');
    expect(addresses.trainer).toBe('all:3');
  });
});

describe('upload', () => {
  const begun: BeginUploadRequest[] = [];
  const received = new Map<string, { offset: number; bytes: Buffer; chunks: number[] }>();

  function acceptUploads(offsets: Record<string, number>): void {
    begun.length = 0;
    received.clear();
    server.addService(IngestionServiceService, {
      beginUpload: (call: { request: BeginUploadRequest }, answer: (error: null, value: object) => void) => {
        begun.push(call.request);
        const missing = Object.entries(offsets).map(([path, offset]) => ({
          path,
          offsetBytes: BigInt(offset),
          putUrl: '',
        }));
        answer(null, { uploadId: 'u1', missing });
      },
      uploadFile: async (
        call: AsyncIterable<UploadFileRequest>,
        answer: (error: null, value: object) => void,
      ) => {
        let path = '';
        for await (const message of call) {
          if (message.path !== '') {
            path = message.path;
            received.set(path, { offset: Number(message.offsetBytes), bytes: Buffer.alloc(0), chunks: [] });
          }
          const file = received.get(path)!;
          file.bytes = Buffer.concat([file.bytes, message.chunk]);
          file.chunks.push(message.chunk.length);
        }
        answer(null, { sizeBytes: 0n });
      },
    } as never);
  }

  it('names every visible file by its path in the folder, with size and hash', async () => {
    await mkdir(join(folder, 'a/.hidden'), { recursive: true });
    await writeFile(join(folder, 'a/one.png'), 'one');
    await writeFile(join(folder, 'a/.hidden/two.png'), 'two');
    await writeFile(join(folder, 'labels.csv'), '');
    acceptUploads({});
    await listen();
    await expect(upload(context(), folder)).resolves.toBe('u1');
    expect(begun[0]?.files).toEqual([
      { path: 'a/one.png', sizeBytes: 3n, sha256: sha256('one') },
      { path: 'labels.csv', sizeBytes: 0n, sha256: sha256('') },
    ]);
    expect(received.size).toBe(0);
  });

  it('goes on from the byte that the service names, in chunks of at most 1 MiB', async () => {
    const content = Buffer.from(Array.from({ length: 2_600_000 }, (_, i) => i % 251));
    await writeFile(join(folder, 'big.npz'), content);
    acceptUploads({ 'big.npz': 100_000 });
    await listen();
    await upload(context(), join(folder, 'big.npz'));
    const file = received.get('big.npz')!;
    expect(file.offset).toBe(100_000);
    expect(file.bytes.equals(content.subarray(100_000))).toBe(true);
    expect(Math.max(...file.chunks)).toBeLessThanOrEqual(1024 * 1024);
  });

  it('ends with the reason when the service refuses a file half-way', async () => {
    await writeFile(join(folder, 'big.npz'), Buffer.alloc(5_000_000));
    acceptUploads({ 'big.npz': 0 });
    server.removeService(IngestionServiceService);
    server.addService(IngestionServiceService, {
      beginUpload: (_call: unknown, answer: (error: null, value: object) => void) =>
        answer(null, { uploadId: 'u1', missing: [{ path: 'big.npz', offsetBytes: 0n, putUrl: '' }] }),
      uploadFile: (_call: unknown, answer: (error: object) => void) =>
        answer({ code: status.RESOURCE_EXHAUSTED, details: 'no space left' }),
    } as never);
    await listen();
    await expect(upload(context(), join(folder, 'big.npz'))).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: 'no space left',
    });
  });
});

describe('followRun', () => {
  const base = {
    run: 'f'.repeat(64),
    steps: 100n,
    method: 'simclr',
    checkpoint: '',
    failure: '',
    failureCode: '',
    reason: '',
    etaSeconds: 0,
  };
  const running = { ...base, state: RunState.RUN_STATE_RUNNING, step: 3n };

  it('stops the run on Ctrl-C and says that the same command goes on', async () => {
    const cancelled: string[] = [];
    const interrupt = new AbortController();
    server.addService(TrainerServiceService, {
      watchRun: (call: { write(value: object): void }) => {
        call.write({ event: { $case: 'state', value: running } });
        setTimeout(() => interrupt.abort(), 20);
      },
      cancelRun: (call: { request: { run: string } }, answer: (error: null, value: object) => void) => {
        cancelled.push(call.request.run);
        answer(null, { run: { ...running, state: RunState.RUN_STATE_CANCELLED, step: 5n } });
      },
    } as never);
    await listen();
    await expect(followRun(context(interrupt.signal), running, 'simclr')).rejects.toMatchObject({
      code: 'CANCELLED',
      message: 'stopped at step 5 of 100; the same command goes on from the last checkpoint',
    });
    expect(cancelled).toEqual([base.run]);
  });

  it('goes on watching when the connection drops: the run does not end with it', async () => {
    let watches = 0;
    server.addService(TrainerServiceService, {
      watchRun: (call: {
        write(value: object): void;
        end(): void;
        emit(event: string, error: object): void;
      }) => {
        watches += 1;
        call.write({ event: { $case: 'state', value: running } });
        if (watches === 1) {
          call.emit('error', { code: status.UNAVAILABLE, details: 'Connection dropped' });
          return;
        }
        call.write({ event: { $case: 'state', value: { ...running, state: RunState.RUN_STATE_SUCCEEDED } } });
        call.end();
      },
    } as never);
    await listen();
    const ended = await followRun(context(), running, 'simclr');

    expect(ended.state).toBe(RunState.RUN_STATE_SUCCEEDED);
    expect(watches).toBe(2);
  });

  it('shows the newest online scores beside the loss', async () => {
    const progress = { step: 50n, steps: 100n, loss: 4.2, imagesPerSecond: 100, etaSeconds: 9 };
    const online = [{ protocol: 'knn', accuracy: 0.613, auc: 0.8 }];
    server.addService(TrainerServiceService, {
      watchRun: (call: { write(value: object): void; end(): void }) => {
        // The first line of quick work stays silent.
        setTimeout(() => {
          call.write({ event: { $case: 'progress', value: { ...progress, online, onlineStep: 50n } } });
          call.write({
            event: { $case: 'state', value: { ...running, state: RunState.RUN_STATE_SUCCEEDED } },
          });
          call.end();
        }, 600);
      },
    } as never);
    await listen();
    const shown = new PassThrough();
    const terminal = new Terminal(false, new PassThrough(), shown);
    await followRun({ ...context(), terminal }, running, 'simclr');

    expect(String(shown.read())).toBe(
      'simclr 50/100 loss 4.2000 · kNN 61.3 % at step 50 · 100 images/s · ETA 9 s\n',
    );
  });

  it('says once what the loss should do, and each warning', async () => {
    const health = {
      expectedLoss: { start: 5.541, floor: 1.05, collapsed: 5.541 },
      warnings: [],
      collapsedStep: 0n,
      collapsed: false,
    };
    server.addService(TrainerServiceService, {
      watchRun: (call: { write(value: object): void; end(): void }) => {
        for (const warnings of [[], ['step 40: collapsed'], ['step 40: collapsed']])
          call.write({ event: { $case: 'health', value: { ...health, warnings } } });
        call.write({ event: { $case: 'state', value: { ...running, state: RunState.RUN_STATE_SUCCEEDED } } });
        call.end();
      },
    } as never);
    await listen();
    const shown = new PassThrough();
    const terminal = new Terminal(false, new PassThrough(), shown);
    await followRun({ ...context(), terminal }, running, 'simclr');

    expect(String(shown.read())).toBe(
      'loss starts near 5.541, cannot go below 1.05, stays at 5.541 on collapse\nwarning: step 40: collapsed\n',
    );
  });

  it('reports why a run failed', async () => {
    server.addService(TrainerServiceService, {
      watchRun: (call: { write(value: object): void; end(): void }) => {
        call.write({
          event: {
            $case: 'state',
            value: { ...running, state: RunState.RUN_STATE_FAILED, failure: 'loss is NaN' },
          },
        });
        call.end();
      },
    } as never);
    await listen();
    await expect(followRun(context(), running, 'simclr')).rejects.toMatchObject({
      code: 'ABORTED',
      message: 'run ffffffffffff failed at step 3 of 100: loss is NaN',
    });
  });
});
