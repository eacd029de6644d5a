import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { credentials, status } from '@grpc/grpc-js';
import { EncoderServiceClient } from '@medformer/gen/encoder';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const SERVICE = fileURLToPath(new URL('../spec/service.mjs', import.meta.url));

let data: string;
const children: ChildProcess[] = [];
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'medformer-main-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rm(data, { recursive: true }));

/** Starts the service; resolves with the ports of its `listening` line. */
const start = async (...flags: string[]) => {
  const argv = [SERVICE, '--data', data, '--port', '0', '--metrics-port', '0', ...flags];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  children.push(child);
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', () => reject(new Error('the service ended')));
    createInterface(child.stdout!).on('line', (line) => {
      const { msg, port } = JSON.parse(line);
      if (msg === 'listening') resolve(port);
    });
  });
  const client = new EncoderServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
  const encodeFor = (ms: number) =>
    new Promise<number>((resolve) => {
      const request = { image: undefined, modality: String(ms), bodyPart: '', model: '', priority: 0 };
      client.encode(request, (error) => resolve(error?.code ?? status.OK));
    });
  return { child, client, encodeFor };
};

describe('a service process', () => {
  it('finishes the call under way on SIGTERM and exits with 0', async () => {
    const { child, client, encodeFor } = await start();
    const answer = encodeFor(500);
    await once(child.stderr!, 'data');
    child.kill('SIGTERM');
    expect(await answer).toBe(status.OK);
    expect(await once(child, 'exit')).toEqual([0, null]);
    client.close();
  });

  it('exits at once on a second interrupt', async () => {
    const { child, client, encodeFor } = await start();
    void encodeFor(60_000);
    await once(child.stderr!, 'data');
    child.kill('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 200));
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([130, null]);
    client.close();
  });

  it('drains and exits when its parent is gone', async () => {
    const { child } = await start();
    child.disconnect();
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('exits when its parent went while it started', async () => {
    const argv = [SERVICE, '--data', data, '--port', '0', '--metrics-port', '0'];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    children.push(child);
    child.disconnect();
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('tells its parent where it listens', async () => {
    const argv = [SERVICE, '--data', data, '--port', '0', '--metrics-port', '0'];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    children.push(child);
    const [message] = await once(child, 'message');
    expect(message).toMatchObject({
      type: 'listening',
      port: expect.any(Number),
      metricsPort: expect.any(Number),
    });
    expect((await fetch(`http://127.0.0.1:${message.metricsPort}/healthz`)).status).toBe(200);
  });

  it('prints its effective settings without starting', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      SERVICE,
      '--print-config',
      '--log-level',
      'warn',
    ]);
    expect(stdout).toContain('logLevel: warn # --log-level');
  });

  it('exits with 2 for a wrong setting and names it on stderr', async () => {
    const failed = promisify(execFile)(process.execPath, [SERVICE], {
      env: { ...process.env, MEDFORMER_PORT: 'many' },
    });
    await expect(failed).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^slow-encoder: configuration: MEDFORMER_PORT: /),
    });
  });

  it('exits with 1 when its store cannot be opened, and says why', async () => {
    const argv = [SERVICE, '--store', 's3://bucket?endpoint=http://127.0.0.1:1', '--metrics-port', '0'];
    await expect(promisify(execFile)(process.execPath, argv)).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining('expected an access key and a secret key'),
    });
  });
});
