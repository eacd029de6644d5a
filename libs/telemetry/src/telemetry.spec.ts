import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { startComputeProcess } from '@medformer/compute';
import { openObjectStore } from '@medformer/object-store';
import { MedformerError } from '@medformer/schema';
import { afterEach, describe, expect, it } from 'vitest';
import {
  createLogger,
  metrics,
  newTraceId,
  type OperationsServer,
  startOperationsServer,
  startProcessMetrics,
  traceIdOf,
  traceparentOf,
  withTraceId,
} from './index.js';

describe('a logger', () => {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger('encoder', {
    level: 'info',
    destination: { write: (line: string) => void lines.push(JSON.parse(line)) },
  });
  afterEach(() => lines.splice(0));

  it('writes JSON with service, level as a word and ISO time', () => {
    logger.info({ images: 3 }, 'encoded');
    expect(lines[0]).toMatchObject({ service: 'encoder', level: 'info', images: 3, msg: 'encoded' });
    expect(new Date(lines[0]!.time as string).getTime()).toBeGreaterThan(0);
  });

  it('adds the trace id of the call it runs in, across awaits and apart from calls beside it', async () => {
    const work = async (name: string) => {
      await sleep(5);
      logger.info(name);
    };
    await Promise.all([
      withTraceId('a'.repeat(32), () => work('a')),
      withTraceId('b'.repeat(32), () => work('b')),
    ]);
    logger.info('outside');
    const traces = Object.fromEntries(lines.map((line) => [line.msg, line.trace_id]));
    expect(traces).toEqual({ a: 'a'.repeat(32), b: 'b'.repeat(32), outside: undefined });
  });

  it('writes an error with its causes', () => {
    logger.error({
      err: new MedformerError('INTERNAL', 'internal error', { cause: new Error('disk on fire') }),
    });
    expect(JSON.stringify(lines[0])).toContain('disk on fire');
  });
});

describe('a trace id', () => {
  it('survives being sent as traceparent', () => {
    const id = newTraceId();
    expect(traceIdOf(traceparentOf(id))).toBe(id);
  });

  it.each([undefined, '', 'x', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, '00-abc-def-01'])(
    'is not taken from the malformed traceparent %j',
    (header) => expect(traceIdOf(header)).toBeUndefined(),
  );
});

describe('the operations server', () => {
  let server: OperationsServer;
  let blocker: MedformerError | undefined;
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
    return { status: response.status, body: await response.text() };
  };
  const start = async () => {
    server = await startOperationsServer({
      host: '127.0.0.1',
      port: 0,
      ready: async () => {
        if (blocker) throw blocker;
      },
    });
  };
  afterEach(() => server.close());

  it('serves process metrics with the prefix medformer_ and what is built', async () => {
    startProcessMetrics();
    startProcessMetrics();
    await start();
    const { body } = await get('/metrics');
    expect(body).toContain('medformer_nodejs_eventloop_lag_p99_seconds');
    expect(body).toMatch(/medformer_build_info\{code_version="[^"]+",node_version="v\d+[^"]*"\} 1/);
  });

  it('tells health apart from readiness, with the reason', async () => {
    await start();
    expect(await get('/readyz')).toEqual({ status: 200, body: 'ready\n' });
    blocker = new MedformerError('UNAVAILABLE', 'the object store does not answer');
    expect(await get('/readyz')).toEqual({
      status: 503,
      body: 'not ready: the object store does not answer\n',
    });
    expect((await get('/healthz')).status).toBe(200);
    expect((await get('/elsewhere')).status).toBe(404);
  });
});

describe('the code version', () => {
  const versionIn = (env: Record<string, string>) =>
    execFileSync(
      process.execPath,
      ['--input-type=module', '-e', "console.log((await import('@medformer/telemetry')).codeVersion())"],
      { cwd: fileURLToPath(new URL('..', import.meta.url)), env: { ...process.env, ...env } },
    )
      .toString()
      .trim();

  it('is the package version and 12 hex digits, the same in every process', () => {
    const version = versionIn({ MEDFORMER_CODE_VERSION: '' });
    expect(version).toMatch(/^\d+\.\d+\.\d+\+[0-9a-f]{12}$/);
    expect(versionIn({ MEDFORMER_CODE_VERSION: '' })).toBe(version);
  });

  it('can be set from outside', () => {
    expect(versionIn({ MEDFORMER_CODE_VERSION: '9.9.9+image' })).toBe('9.9.9+image');
  });
});

describe('the metrics of a process', () => {
  it('show its store and what its compute processes hold and lost', async () => {
    startProcessMetrics();
    const folder = await mkdtemp(join(tmpdir(), 'medformer-telemetry-'));
    const store = await openObjectStore({ url: pathToFileURL(folder).href });
    await store.get('no/such').catch(() => undefined);
    const entry = new URL('../../compute/spec/child.mjs', import.meta.url);
    const child = startComputeProcess<{ exit: { input: { code: number }; output: never } }>(entry, {
      name: 'telemetry test process',
    });
    await child.call('exit', { code: 3 }).catch(() => undefined);
    void child.call('exit', { code: 0 }).catch(() => undefined);
    const shown = async () => (await metrics.metrics()).split('\n');
    while (!(await shown()).includes('medformer_compute_tensors{process="telemetry-test"} 3'))
      await sleep(20);
    const lines = await shown();
    expect(lines).toContain('medformer_compute_losses_total{process="telemetry-test",cause="crashed"} 1');
    expect(lines).toContain('medformer_compute_losses_total{process="telemetry-test",cause="not-ready"} 0');
    expect(lines).toContain('medformer_store_operation_seconds_count{operation="get",outcome="not-found"} 1');
    await child.stop();
    await rm(folder, { recursive: true });
    expect((await shown()).some((line) => line.startsWith('medformer_compute_tensors{'))).toBe(false);
  });
});
