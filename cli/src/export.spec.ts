import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { type ExportCheckpointRequest, TrainerServiceService } from '@medformer/gen/trainer';
import { sha256 } from '@medformer/schema';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { main } from './main.js';

let server: Server;
let address: string;
let folder: string;
let asked: ExportCheckpointRequest | undefined;

beforeEach(async () => {
  server = new Server();
  folder = await mkdtemp(join(tmpdir(), 'medformer-cli-export-'));
  asked = undefined;
});
afterEach(async () => {
  server.forceShutdown();
  await rm(folder, { recursive: true });
  vi.restoreAllMocks();
});

describe('medformer export', () => {
  const MODEL = { 'model.onnx': 'a whole model' };
  const FOLDER = { 'saved_model.pb': 'graph and weights', 'assets.extra/medformer.json': '{}' };

  it('writes one file as it is named, and asks for what the options say', async () => {
    await serve(MODEL);
    const file = join(folder, 'chest.onnx');
    const options = ['--batch', '8', '--modality', 'xray', '--task', 'finding'];
    const ended = await run(...of('onnx'), '--shape', '64x48x3', ...options, '-o', file);

    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(await readFile(file, 'utf8')).toBe('a whole model');
    expect(asked).toEqual({
      source: { $case: 'checkpoint', value: CHECKPOINT },
      format: 1,
      shape: [64, 48, 3],
      batch: 8,
      modality: 'xray',
      bodyPart: '',
      task: 'finding',
    });
  });

  it('writes several files as a folder, wherever the stream is cut', async () => {
    await serve(FOLDER);
    const output = join(folder, 'model');
    const ended = await run(
      'export',
      '--run',
      'r',
      '--format',
      'saved-model',
      '--shape',
      '8x8x1',
      '-o',
      output,
    );

    expect(ended.code).toBe(0);
    expect(asked?.source).toEqual({ $case: 'run', value: 'r' });
    for (const [path, text] of Object.entries(FOLDER))
      expect(await readFile(join(output, path), 'utf8')).toBe(text);
    expect(await readdir(folder)).toEqual(['model']);
  });

  it.each([
    [
      'bytes that are not those announced',
      { ...FOLDER },
      { altered: true },
      /saved_model\.pb: the bytes are not/,
    ],
    ['a stream that ends early', { ...FOLDER }, { short: true }, /medformer\.json: 2 bytes did not come/],
    ['a file outside of the folder', { a: '1', '../b': '2' }, {}, /a file for "\.\.\/b"/],
    ['no file', {}, {}, /no list of files/],
  ])('refuses %s, and leaves nothing', async (_, files, how, message) => {
    await serve(files, how);
    const ended = await run(...of('safetensors'), '-o', join(folder, 'weights'));

    expect(ended).toMatchObject({ code: 25, stderr: expect.stringMatching(message) });
    expect(await readdir(folder)).toEqual([]);
  });

  it('leaves a folder that is there as it is', async () => {
    await serve(FOLDER);
    await mkdir(join(folder, 'mine'));
    const ended = await run(...of('safetensors'), '-o', join(folder, 'mine'));

    expect(ended).toMatchObject({ code: 16, stderr: expect.stringMatching(/mine: is there already/) });
    expect(await readdir(folder)).toEqual(['mine']);
  });

  it.each([
    ['an unknown format', [...of('pickle')]],
    ['a shape that is none', [...of('onnx'), '--shape', '28x0x1']],
    ['both a run and a checkpoint', [...of('onnx'), '--run', 'r']],
  ])('is wrong usage with %s', async (_, argv) => {
    await serve(MODEL);
    const ended = await run(...argv, '-o', join(folder, 'model.onnx'));

    expect(ended.code).toBe(2);
    expect(asked).toBeUndefined();
  });
});

const CHECKPOINT = sha256('checkpoint');

function of(format: string): string[] {
  return ['export', '--checkpoint', sha256('checkpoint'), '--format', format];
}

/** A trainer that answers with these files, in pieces of 7 bytes. */
async function serve(
  files: Record<string, string>,
  { altered = false, short = false }: { altered?: boolean; short?: boolean } = {},
): Promise<void> {
  server.addService(TrainerServiceService, {
    exportCheckpoint: (call: {
      request: ExportCheckpointRequest;
      write(value: object): void;
      end(): void;
    }) => {
      asked = call.request;
      const list = Object.entries(files).map(([path, text]) => ({
        path,
        bytes: BigInt(text.length),
        sha256: sha256(text),
      }));
      call.write({ event: { $case: 'manifest', value: { checkpoint: CHECKPOINT, files: list } } });
      const text = Object.values(files).join('');
      const bytes = Buffer.from(short ? text.slice(0, -2) : text);
      if (altered) bytes[0]! ^= 1;
      for (let at = 0; at < bytes.length; at += 7) {
        call.write({ event: { $case: 'chunk', value: bytes.subarray(at, at + 7) } });
      }
      call.end();
    },
  } as never);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  address = `127.0.0.1:${port}`;
}

/** Runs the command line in this process. */
async function run(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[stream], 'write').mockImplementation((chunk) => {
      written[stream] += chunk;
      return true;
    });
  }
  const code = await main(['--address', address, ...argv]);
  vi.restoreAllMocks();
  return { code, ...written };
}
