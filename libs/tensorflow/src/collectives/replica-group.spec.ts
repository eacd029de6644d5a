import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

interface Replica {
  process: ChildProcess;
  lines: Record<string, unknown>[];
  said: Promise<void>;
  ended: Promise<{ code: number | null; signal: string | null }>;
}

const started: Replica[] = [];
afterEach(() => {
  for (const { process } of started.splice(0)) process.kill('SIGKILL');
});

/** `count` processes of a case, one alone for 1. */
async function replicas(name: string, count: number, env: Record<string, string> = {}): Promise<Replica[]> {
  const ports = await Promise.all(Array.from({ length: count }, freePort));
  const addresses = ports.map((port) => `127.0.0.1:${port}`);
  const script = fileURLToPath(new URL('../../spec/replica.mjs', import.meta.url));
  const made = addresses.map((_, rank) => {
    const child = spawn(process.execPath, [script, name, String(rank), ...addresses], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, ...env },
    });
    const reader = createInterface(child.stdout!);
    const lines: Record<string, unknown>[] = [];
    reader.on('line', (line) => lines.push(JSON.parse(line)));
    const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }));
    const said = once(reader, 'line').then(() => undefined);
    return { process: child, lines, said, ended };
  });
  started.push(...made);
  return made;
}

/** What each process of a case said, once all ended well. */
async function outcomes(name: string, count: number): Promise<Record<string, unknown>[]> {
  const made = await replicas(name, count);
  const ends = await Promise.all(made.map(({ ended }) => ended));
  const lines = made.map(({ lines: [line] }) => line!);
  expect(
    ends.map(({ code }) => code),
    JSON.stringify(lines),
  ).toEqual(made.map(() => 0));
  return lines;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

describe('a group of processes', () => {
  it("has sums, means and the first one's values, the same in all", async () => {
    const said = await outcomes('sums', 3);
    for (const one of said) {
      expect(one).toEqual({
        sum: [111, 222, 333],
        mean: [37, 74, 111],
        scalar: 6,
        first: [Math.PI, -1e-300, null],
      });
    }
  });

  it('sums what flows back through a sum, whatever each process makes of it', async () => {
    const [first, second] = await outcomes('gradients', 2);
    // s = 2 x 0.25 + 0 + 1 = 1.5; the shares' gradients 2 s and 2 (2 s).
    expect(first).toEqual({ summed: [9, 9, 9], alike: [6, 6, 6] });
    expect(second).toEqual(first);
  });

  it('trains as one process does, in one function with its collectives', async () => {
    const [alone] = (await outcomes('recorded', 1)) as { steps: number[]; weights: number[] }[];
    const both = (await outcomes('recorded', 2)) as { steps: number[]; weights: number[] }[];
    expect(both[0]).toEqual(both[1]);
    for (const of of ['steps', 'weights'] as const)
      for (const [at, value] of both[0]![of].entries()) expect(value).toBeCloseTo(alone![of][at]!, 6);
  });

  it.each(['endless', 'endlessEager'])('ends soon when a peer dies (%s)', async (name) => {
    const [first, second, third] = (await replicas(name, 3)) as [Replica, Replica, Replica];
    await Promise.all([first.said, second.said, third.said]);
    second.process.kill('SIGKILL');
    expect(await Promise.all([first.ended, third.ended])).toMatchObject([{ code: 75 }, { code: 75 }]);
    for (const { lines } of [first, third])
      expect(lines.at(-1)).toMatchObject({ code: 'ABORTED', peerLost: true });
  });

  it('ends with an error when a peer is silent for too long', async () => {
    const [first, second] = (await replicas('endless', 2, silence)) as [Replica, Replica];
    await Promise.all([first.said, second.said]);
    second.process.kill('SIGSTOP');
    expect((await first.ended).signal).toBe('SIGKILL');
    expect(first.lines.at(-1)).toMatchObject({ code: 'ABORTED', peerLost: true });
    // What was frozen finds itself too late, or its peer gone.
    second.process.kill('SIGCONT');
    const { code, signal } = await second.ended;
    expect(code === 75 || signal === 'SIGKILL').toBe(true);
  });

  it('is killed when a peer is silent while its own thread is occupied', async () => {
    const [first, second] = (await replicas('endlessEager', 2, silence)) as [Replica, Replica];
    await Promise.all([first.said, second.said]);
    second.process.kill('SIGSTOP');
    expect((await first.ended).signal).toBe('SIGKILL');
  });
});

const silence = { PEER_TIMEOUT_MS: '1500' };
