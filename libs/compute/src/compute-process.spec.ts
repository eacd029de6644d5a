import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onStoreOperation, type StoreOperation } from '@medformer/object-store';
import { afterEach, describe, expect, it } from 'vitest';
import { type ComputeProcess, type ComputeProcessOptions, startComputeProcess } from './compute-process.js';
import { computeLosses, computeStates } from './compute-states.js';

type TestCalls = {
  double: { input: Float32Array; output: Float32Array };
  count: { input: { steps: number }; output: number; progress: { step: number } };
  refuse: { input: null; output: never };
  crash: { input: null; output: never };
  exit: { input: { code: number }; output: never };
  pid: { input: null; output: number };
  environment: { input: string; output: string | undefined };
  work: { input: null; output: never };
  finishAfterCancel: { input: null; output: string };
  ignoreCancel: { input: null; output: never; progress: string };
  pingStore: { input: null; output: undefined };
  block: { input: { ms: number }; output: undefined; progress: string };
};

const started: ComputeProcess<TestCalls>[] = [];
const start = (options?: ComputeProcessOptions) => {
  const entry = new URL('../spec/child.mjs', import.meta.url);
  const child = startComputeProcess<TestCalls>(entry, {
    name: 'test process',
    gracePeriodMs: 300,
    ...options,
  });
  started.push(child);
  return child;
};

afterEach(async () => {
  await Promise.all(started.splice(0).map((child) => child.stop()));
});

describe('a call', () => {
  it('carries typed arrays there and back', async () => {
    const whole = Float32Array.from({ length: 100 }, (_, index) => index / 2);
    const doubled = await start().call('double', whole.subarray(10, 20));
    expect(doubled).toBeInstanceOf(Float32Array);
    expect([...doubled]).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  });

  it('reports progress in order and before its output', async () => {
    const seen: number[] = [];
    const output = await start().call('count', { steps: 500 }, { onProgress: ({ step }) => seen.push(step) });
    expect(output).toBe(500);
    expect(seen).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
  });

  it('runs beside others in the same process', async () => {
    const child = start();
    const controller = new AbortController();
    const working = child.call('work', null, { signal: controller.signal });
    const pids = await Promise.all(Array.from({ length: 20 }, () => child.call('pid', null)));
    expect(new Set(pids)).toEqual(new Set([child.pid]));
    controller.abort();
    await expect(working).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('throws what the handler threw, with code and message, and the child lives on', async () => {
    const child = start();
    await expect(child.call('refuse', null)).rejects.toMatchObject({
      name: 'MedformerError',
      code: 'FAILED_PRECONDITION',
      message: 'no checkpoint yet',
    });
    expect(await child.call('pid', null)).toBe(child.pid);
  });

  it('hides the text of an unknown error and keeps its stack as the cause', async () => {
    const failed = await start()
      .call('crash', null)
      .catch((error: Error) => error);
    expect(failed).toMatchObject({ code: 'INTERNAL', message: 'internal error' });
    expect(String(((failed as Error).cause as Error).stack)).toContain('TypeError: x is not a function');
  });

  it('is refused when the child has no such handler', async () => {
    await expect(start().call('toString' as 'pid', null)).rejects.toMatchObject({ code: 'UNIMPLEMENTED' });
  });

  it('sees the environment it was given', async () => {
    expect(await start({ env: { TF_NUM_THREADS: '1' } }).call('environment', 'TF_NUM_THREADS')).toBe('1');
  });
});

describe('cancelling', () => {
  it('stops the work in the child, which answers the next call at once', async () => {
    const child = start();
    const pid = await child.call('pid', null);
    const working = child.call('work', null, { signal: AbortSignal.timeout(50) });
    await expect(working).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(await child.call('pid', null)).toBe(pid);
  });

  it('lets a handler finish what it must: the call settles as the child answers', async () => {
    const controller = new AbortController();
    const child = start();
    const saving = child.call('finishAfterCancel', null, { signal: controller.signal });
    await child.call('pid', null);
    controller.abort();
    expect(await saving).toBe('saved: CANCELLED');
  });

  it('kills a child that ignores it after the grace period, and starts another for the next call', async () => {
    const child = start();
    const controller = new AbortController();
    const onProgress = () => controller.abort();
    const ignoring = child.call('ignoreCancel', null, { signal: controller.signal, onProgress });
    const first = await child.call('pid', null);
    const bystander = child.call('ignoreCancel', null);
    const outcome = await Promise.allSettled([ignoring, bystander]);
    expect(outcome).toMatchObject([
      { reason: { code: 'CANCELLED' } },
      { reason: { code: 'UNAVAILABLE', message: expect.stringContaining('did not end within 300 ms') } },
    ]);
    expect(await child.call('pid', null)).not.toBe(first);
    expect(isRunning(first)).toBe(false);
  });

  it('refuses a call that is cancelled before it begins', async () => {
    await expect(start().call('pid', null, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });
});

describe('a dying child', () => {
  it('rejects the calls under way with its exit code and its last words, and is replaced', async () => {
    const child = start();
    const failed = await child.call('exit', { code: 7 }).catch((error: Error) => error);
    expect(failed).toMatchObject({ code: 'UNAVAILABLE', message: 'test process exited with code 7' });
    expect(String((failed as Error).cause)).toContain('last words');
    expect(child.pid).toBeUndefined();
    expect(await child.call('pid', null)).toBe(child.pid);
  });

  it('names the signal that killed it', async () => {
    const child = start();
    const working = child.call('work', null);
    process.kill(await child.call('pid', null), 'SIGKILL');
    await expect(working).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: 'test process died by SIGKILL',
    });
  });

  it('that never gets ready fails its calls with what it wrote', async () => {
    const entry = new URL('../spec/no-such-file.mjs', import.meta.url);
    const child = startComputeProcess<TestCalls>(entry, { name: 'test process' });
    const failed = await child.call('pid', null).catch((error: Error) => error);
    expect(failed).toMatchObject({ code: 'UNAVAILABLE', message: 'test process exited with code 1' });
    expect(String((failed as Error).cause)).toContain('Cannot find module');
  });
});

describe('stop', () => {
  it('fires the signals of calls under way and waits for them', async () => {
    const child = start({ gracePeriodMs: 5000 });
    const saving = child.call('finishAfterCancel', null);
    await child.call('pid', null);
    await child.stop();
    expect(await saving).toBe('saved: UNAVAILABLE');
    await expect(child.call('pid', null)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('kills a child that does not stop in time', async () => {
    const child = start();
    const pid = await child.call('pid', null);
    const ignoring = child.call('ignoreCancel', null).catch((error: Error) => error);
    await child.stop();
    expect(await ignoring).toMatchObject({ code: 'UNAVAILABLE' });
    expect(isRunning(pid)).toBe(false);
  });
});

describe('what the parent shows', () => {
  const stateOf = (child: ComputeProcess<TestCalls>) => computeStates().find(({ pid }) => pid === child.pid);
  const told = async (child: ComputeProcess<TestCalls>) => {
    while (!stateOf(child)?.vitals) await sleep(20);
    return stateOf(child)!;
  };

  it('is how a child does, from its start until it is stopped', async () => {
    const child = start();
    const before = computeStates().length;
    const { name, calls, vitals } = await told(child);
    expect({ name, calls }).toEqual({ name: 'test process', calls: 0 });
    expect(vitals).toMatchObject({ tensors: 3, bytes: 12 });
    expect(vitals!.residentBytes).toBeGreaterThan(vitals!.heapBytes);
    const working = child.call('work', null).catch(() => undefined);
    await child.call('pid', null);
    expect(stateOf(child)).toMatchObject({ calls: 1 });
    await child.stop();
    await working;
    expect(computeStates()).toHaveLength(before - 1);
  });

  it('is how often a child was lost, but not that it was stopped', async () => {
    const lost = () => ({ ...computeLosses().get('lost process') });
    const child = start({ name: 'lost process' });
    await child.call('pid', null);
    expect(lost()).toEqual({ crashed: 0, cancelled: 0, 'not-ready': 0 });
    await child.call('exit', { code: 7 }).catch(() => undefined);
    const controller = new AbortController();
    await child
      .call('ignoreCancel', null, { signal: controller.signal, onProgress: () => controller.abort() })
      .catch(() => undefined);
    await child.call('pid', null);
    await child.stop();
    expect(lost()).toEqual({ crashed: 1, cancelled: 1, 'not-ready': 0 });
  });

  it("is a child's store operations as its own", async () => {
    const operations: StoreOperation[] = [];
    const stop = onStoreOperation((operation) => operations.push(operation));
    const child = start();
    await child.call('pingStore', null);
    while (operations.length === 0) await sleep(20);
    stop();
    expect(operations).toMatchObject([{ operation: 'ping', outcome: 'ok' }]);
  });
});

describe('when the parent is killed', () => {
  it.each([
    ['a child at work stops', ['work', null]],
    ['a child whose thread is blocked for a minute is killed', ['block', { ms: 60_000 }]],
  ])('%s', async (_title, call) => {
    const { parent, pid } = await startParent([process.execPath], call);
    expect(isRunning(pid)).toBe(true);
    parent.kill('SIGKILL');
    await waitUntil(() => !isRunning(pid));
  });
});

it('leaves a priority lower than its own as it was: raising it takes a right that containers lack', async () => {
  const { parent, pid } = await startParent(['nice', '-n', '10', process.execPath], ['work', null]);
  expect(getPriority(pid)).toBe(10);
  parent.kill('SIGKILL');
});

/** The process of spec/parent.mjs and the pid of its compute process, which is at work. */
async function startParent([program, ...args]: string[], call: unknown) {
  const script = fileURLToPath(new URL('../spec/parent.mjs', import.meta.url));
  const parent = spawn(program!, [...args, script, JSON.stringify(call)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const pid = await new Promise<number>((resolve) => {
    createInterface(parent.stdout).once('line', (line) => resolve(Number(line)));
  });
  return { parent, pid };
}

/** A killed process whose new parent has not yet reaped it does not count as running. */
function isRunning(pid: number): boolean {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return false;
  try {
    return !/\) [ZX] /.test(readFileSync(file, 'utf8'));
  } catch {
    return false;
  }
}

async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(50);
}
